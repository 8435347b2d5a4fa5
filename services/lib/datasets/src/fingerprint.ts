import type { Type } from 'avsc';

/** The fingerprint of no bytes at all, and the polynomial of the table (Avro specification). */
const EMPTY = 0xc15d213aa4d7a795n;

const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let value = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ ((value & 1n) === 1n ? EMPTY : 0n);
  return value;
});

/**
 * CRC-64-AVRO of a schema's Parsing Canonical Form: what names a schema in Avro's single-object
 * encoding.
 */
export function schemaFingerprint(type: Type): bigint {
  // avsc's `schema()` is the canonical form: full names, no doc, aliases, defaults or logical types.
  const canonical = Buffer.from(JSON.stringify(type.schema()));
  let fingerprint = EMPTY;
  for (const byte of canonical) {
    const index = Number((fingerprint ^ BigInt(byte)) & 0xffn);
    fingerprint = (fingerprint >> 8n) ^ (TABLE[index] ?? 0n);
  }
  return fingerprint;
}
