import type { SeededRandom } from './random.ts';

/** Spreads an integer over 32 bits: the finalizer of MurmurHash3. */
export function mix32(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** As many hex digits. */
export function hex(random: SeededRandom, digits: number): string {
  let text = '';
  while (text.length < digits) {
    text += random.between(0, 0xffff_ffff).toString(16).padStart(8, '0');
  }
  return text.slice(0, digits);
}
