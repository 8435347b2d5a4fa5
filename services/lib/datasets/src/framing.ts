/** How the value of a record says which schema wrote it. `bodyAt` is where the Avro bytes begin. */
export type Framing =
  | {
      readonly kind: 'single-object';
      /** The eight bytes of the fingerprint as they lie in the record, in hex. */
      readonly fingerprint: string;
      readonly bodyAt: 10;
    }
  | { readonly kind: 'confluent'; readonly id: number; readonly bodyAt: 5 };

const SINGLE_OBJECT_HEADER_BYTES = 10;
const CONFLUENT_HEADER_BYTES = 5;

/** C3 01 and the fingerprint in little-endian order, as Avro's single-object encoding has it. */
export function singleObjectHeader(fingerprint: bigint): Buffer {
  const header = Buffer.alloc(SINGLE_OBJECT_HEADER_BYTES);
  header[0] = 0xc3;
  header[1] = 0x01;
  header.writeBigUInt64LE(fingerprint, 2);
  return header;
}

/** A zero and the id in big-endian order, as clients of a schema registry write it. */
export function confluentHeader(schemaId: number): Buffer {
  const header = Buffer.alloc(CONFLUENT_HEADER_BYTES);
  header.writeInt32BE(schemaId, 1);
  return header;
}

/** `Framing.fingerprint` of a fingerprint that was computed as a number. */
export function fingerprintHex(fingerprint: bigint): string {
  return singleObjectHeader(fingerprint).toString('hex', 2);
}

// Neighbours in a log share their schema: the last answer of each kind saves an allocation per record.
let lastSingle: Framing = {
  kind: 'single-object',
  fingerprint: '0000000000000000',
  bodyAt: SINGLE_OBJECT_HEADER_BYTES,
};
let lastLow = 0;
let lastHigh = 0;
let lastConfluent: Framing = { kind: 'confluent', id: 0, bodyAt: CONFLUENT_HEADER_BYTES };

/** Undefined when the value begins with neither framing or ends inside it. */
export function parseFraming(value: Uint8Array): Framing | undefined {
  if (value[0] === 0xc3 && value[1] === 0x01 && value.length >= SINGLE_OBJECT_HEADER_BYTES) {
    const high = readInt32(value, 2);
    const low = readInt32(value, 6);
    if (high !== lastHigh || low !== lastLow) {
      const hex = Buffer.from(value.subarray(2, SINGLE_OBJECT_HEADER_BYTES)).toString('hex');
      lastSingle = {
        kind: 'single-object',
        fingerprint: hex,
        bodyAt: SINGLE_OBJECT_HEADER_BYTES,
      };
      lastHigh = high;
      lastLow = low;
    }
    return lastSingle;
  }
  if (value[0] !== 0 || value.length < CONFLUENT_HEADER_BYTES) return undefined;
  const id = readInt32(value, 1);
  // Registries count upwards from 1 in 31 bits, so this is something else that begins with a zero.
  if (id < 0) return undefined;
  if (lastConfluent.kind !== 'confluent' || lastConfluent.id !== id) {
    lastConfluent = { kind: 'confluent', id, bodyAt: CONFLUENT_HEADER_BYTES };
  }
  return lastConfluent;
}

function readInt32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)
  );
}
