import type { AuditStore } from '@trailpush/core';
import type { FastifyReply } from 'fastify';

import { Cursors } from './cursor.ts';
import { itemOf } from './item.ts';
import { invalidParameter, type Parameters } from './parameters.ts';
import type { QueryGate } from './query-gate.ts';
import type { FoundEvents } from './search.ts';
import { sendItems } from './send-items.ts';
import { readOpenWindow } from './time.ts';

/** Pages in order of ingestion, for collectors that poll: there always is a next cursor. */
export class IngestedPages {
  readonly #audit: AuditStore;
  readonly #gate: QueryGate;
  readonly #cursors: Cursors;

  constructor(options: { audit: AuditStore; gate: QueryGate; secretKey: Buffer }) {
    this.#audit = options.audit;
    this.#gate = options.gate;
    this.#cursors = new Cursors(options.secretKey, 'ingested');
  }

  /** @throws ApiError */
  async send(
    reply: FastifyReply,
    parameters: Parameters,
    of: FoundEvents & { limit: number },
  ): Promise<FastifyReply> {
    if ((parameters.one('direction') ?? 'asc') !== 'asc') {
      throw invalidParameter('direction', 'must be asc, or left out, with order=ingested');
    }
    const query = { ...of, ...readOpenWindow(parameters) };
    const sealed = { ...query, direction: 'asc' as const };
    const cursor = parameters.one('cursor') ?? '';
    const after = cursor === '' ? 0 : this.#cursors.read(cursor, sealed).sequence;
    const { entries, next } = await this.#gate.run(() => this.#audit.follow({ ...query, after }));
    const written = this.#cursors.write({ timeMicros: 0, sequence: next }, sealed);
    const info = { count: entries.length, cursor: written, cursors: { after: written } };
    return sendItems(reply, entries.map(itemOf), info);
  }
}
