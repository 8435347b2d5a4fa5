/** Whether the bytes of `wanted` lie at `at`; the caller knows that there is room for them. */
export function matchesAt(view: DataView, at: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.length; index++) {
    if (view.getUint8(at + index) !== wanted[index]) return false;
  }
  return true;
}

/** Whether `[start, end)` is `wanted`, byte for byte. */
export function isText(view: DataView, start: number, end: number, wanted: Uint8Array): boolean {
  return end - start === wanted.length && matchesAt(view, start, wanted);
}
