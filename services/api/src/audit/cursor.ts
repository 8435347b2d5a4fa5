import { createHmac, timingSafeEqual } from 'node:crypto';
import type { AuditPlace, AuditQuery } from '@trailpush/core';

import { invalidParameter } from './parameters.ts';

const PLACE_BYTES = 16;
const SEAL_BYTES = 16;

/**
 * Cursors of the query API: a place in a tenant's log, sealed together with the query that it belongs to, so
 * that one can be used for nothing else. Any process with the same secret key can read it.
 */
export class Cursors {
  readonly #key: Buffer;

  /** Places of one order are none of another. */
  constructor(secretKey: Buffer, order: 'time' | 'ingested' = 'time') {
    const purpose = order === 'time' ? '' : ` ${order}`;
    this.#key = createHmac('sha256', secretKey).update(`trailpush audit cursor${purpose}`).digest();
  }

  write(place: AuditPlace, query: Omit<AuditQuery, 'after'>): string {
    const bytes = Buffer.alloc(PLACE_BYTES);
    bytes.writeBigInt64BE(BigInt(place.timeMicros), 0);
    bytes.writeBigInt64BE(BigInt(place.sequence), 8);
    return Buffer.concat([bytes, this.#seal(bytes, query)]).toString('base64url');
  }

  /** @throws ApiError 400 for a cursor of another query, or none at all */
  read(text: string, query: Omit<AuditQuery, 'after'>): AuditPlace {
    const bytes = Buffer.from(text, 'base64url');
    const place = bytes.subarray(0, PLACE_BYTES);
    const seal = bytes.subarray(PLACE_BYTES);
    const isWhole = seal.length === SEAL_BYTES && bytes.toString('base64url') === text;
    if (!isWhole || !timingSafeEqual(seal, this.#seal(place, query))) {
      throw invalidParameter(
        'cursor',
        'is not one of this query: send it as it came, with the same parameters besides',
      );
    }
    return {
      timeMicros: Number(place.readBigInt64BE(0)),
      sequence: Number(place.readBigInt64BE(8)),
    };
  }

  /** The limit may change from page to page. */
  #seal(place: Buffer, query: Omit<AuditQuery, 'after'>): Buffer {
    const { tenant, sinceMicros, beforeMicros, direction, filters, words } = query;
    const bound = [tenant.kind, tenant.id, sinceMicros, beforeMicros, direction, filters, words];
    const hmac = createHmac('sha256', this.#key).update(place).update(JSON.stringify(bound));
    return hmac.digest().subarray(0, SEAL_BYTES);
  }
}
