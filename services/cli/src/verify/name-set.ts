import { createHash, randomBytes } from 'node:crypto';
import { ConfigError } from '@trailpush/core';

/** 512 MiB at most. */
const MAX_NAMES = 30_000_000;
const FIRST_SLOTS = 1 << 16;

/**
 * A set of many names in 16 to 32 bytes each: it holds 64 bits of a hash under a key of its own, so that nobody
 * can make a name that is taken for another one.
 */
export class NameSet {
  readonly #key = randomBytes(32);
  #slots = new BigUint64Array(FIRST_SLOTS);
  #size = 0;

  /** @throws ConfigError when there are too many */
  add(name: string): void {
    if (this.#size >= MAX_NAMES) {
      throw new ConfigError(
        `there are more than ${MAX_NAMES} objects: verify a part of the time with --since, or a smaller place`,
      );
    }
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    if (insert(this.#slots, this.#hash(name))) this.#size++;
  }

  has(name: string): boolean {
    const hash = this.#hash(name);
    return this.#slots[placeOf(this.#slots, hash)] === hash;
  }

  /** Never 0, which is a free slot. */
  #hash(name: string): bigint {
    const digest = createHash('sha256').update(this.#key).update(name).digest();
    return digest.readBigUInt64LE() || 1n;
  }

  #grow(): void {
    const slots = new BigUint64Array(this.#slots.length * 2);
    for (const hash of this.#slots) if (hash !== 0n) insert(slots, hash);
    this.#slots = slots;
  }
}

/** Its slot, or the free one that it belongs into. */
function placeOf(slots: BigUint64Array, hash: bigint): number {
  const mask = slots.length - 1;
  let place = Number(hash & BigInt(mask));
  while (slots[place] !== 0n && slots[place] !== hash) place = (place + 1) & mask;
  return place;
}

function insert(slots: BigUint64Array, hash: bigint): boolean {
  const place = placeOf(slots, hash);
  if (slots[place] === hash) return false;
  slots[place] = hash;
  return true;
}
