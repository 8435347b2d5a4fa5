import type { AuditEvent } from './audit-event.ts';
import { EVENT_TYPE } from './event-schema.ts';
import { schemaFingerprint } from './fingerprint.ts';
import { confluentHeader, singleObjectHeader } from './framing.ts';

/** An event as the value of a record: framing, then Avro of our schema. The bytes are the caller's own. */
export type EventEncoder = (event: AuditEvent) => Uint8Array;

/** Room for all but the rare event with a large body. */
const SCRATCH_BYTES = 64 * 1024;

/** Avro's single-object encoding, for logs without a schema registry. */
export const encodeEvent: EventEncoder = encoderWith(
  singleObjectHeader(schemaFingerprint(EVENT_TYPE)),
);

/** The framing of a schema registry; `schemaId` is what `SchemaRegistry.register` gave. */
export function confluentEncoder(schemaId: number): EventEncoder {
  return encoderWith(confluentHeader(schemaId));
}

function encoderWith(header: Buffer): EventEncoder {
  const scratch = Buffer.alloc(SCRATCH_BYTES);
  header.copy(scratch);
  return (event) => {
    const end = EVENT_TYPE.encode(event, scratch, header.length);
    if (end >= 0) return Buffer.from(scratch.subarray(0, end));
    // A negative end is how many bytes were missing.
    const exact = Buffer.alloc(scratch.length - end);
    header.copy(exact);
    EVENT_TYPE.encode(event, exact, header.length);
    return exact;
  };
}
