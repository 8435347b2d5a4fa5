import type { AppendRecord, Clock, Tenant } from '@trailpush/core';
import type { EventEncoder } from './event-codec.ts';
import { eventIds } from './event-id.ts';
import { parseEventItem } from './event-item.ts';

/** A line as a record of the log, and whose event it is; or why it cannot be one, in words for its producer. */
export type EncodedLine =
  | { readonly ok: true; readonly tenant: Tenant; readonly record: AppendRecord }
  | { readonly ok: false; readonly reason: string };

export interface LineEncoderOptions {
  readonly encode: EventEncoder;
  /** Of one line and of one record. */
  readonly maxRecordBytes: number;
  readonly clock: Pick<Clock, 'now'>;
}

/** Turns lines in the shape of the audit API's item into records; missing ids and times are assigned. */
export class LineEncoder {
  readonly #encode: EventEncoder;
  readonly #maxRecordBytes: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #newId: () => string;

  constructor({ encode, maxRecordBytes, clock }: LineEncoderOptions) {
    this.#encode = encode;
    this.#maxRecordBytes = maxRecordBytes;
    this.#clock = clock;
    this.#newId = eventIds(clock);
  }

  encodeLine(line: Uint8Array): EncodedLine {
    const parsed = parseEventItem(line, {
      maxLineBytes: this.#maxRecordBytes,
      newId: this.#newId,
      nowMicros: () => this.#clock.now() * 1000,
    });
    if (!parsed.ok) return parsed;
    const value = this.#encode(parsed.event);
    if (value.length > this.#maxRecordBytes) {
      const reason = `the event takes ${value.length} bytes, the limit is ${this.#maxRecordBytes}`;
      return { ok: false, reason };
    }
    const { tenant } = parsed;
    // The key tells no kind: producers agree on the bare id, and the event itself tells.
    return { ok: true, tenant, record: { key: tenant.id, value } };
  }
}
