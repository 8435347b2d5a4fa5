const DOLLAR = 0x24;
const LETTER_X = 0x78;
const OPENING_BRACE = 0x7b;

/** Writes `x{` for each `${` in `[start, end)`, where it lies. */
export function defuseLookups(out: DataView, start: number, end: number): void {
  for (let at = start; at + 1 < end; at++) {
    const isLookup = out.getUint8(at) === DOLLAR && out.getUint8(at + 1) === OPENING_BRACE;
    if (isLookup) out.setUint8(at, LETTER_X);
  }
}
