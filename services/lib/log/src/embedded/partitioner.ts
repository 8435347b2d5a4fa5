/**
 * Places a key as Kafka's default partitioner does (positive murmur2 modulo partitions), so that an
 * installation that moves to Kafka finds every account in a partition of the same number.
 */
export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;

/** The 32-bit murmur2 of Kafka's `Utils.murmur2`, as a signed integer. */
export function murmur2(bytes: Uint8Array): number {
  const at = (index: number): number => bytes[index] ?? 0;
  const whole = bytes.length & ~3;
  let hash = SEED ^ bytes.length;
  for (let i = 0; i < whole; i += 4) {
    let k = at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24);
    k = Math.imul(k, MULTIPLIER);
    k ^= k >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(k, MULTIPLIER);
  }
  if (whole < bytes.length) {
    // Bytes beyond the end count as zero and change nothing.
    hash ^= at(whole) | (at(whole + 1) << 8) | (at(whole + 2) << 16);
    hash = Math.imul(hash, MULTIPLIER);
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}
