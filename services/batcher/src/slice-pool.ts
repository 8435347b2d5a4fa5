/**
 * Payload bytes of one deflate slice. Slices are cut at multiples of it, wherever lines end, so that
 * equal payloads compress to equal bytes. Larger slices compress no better (under 1 % at 1 MiB) and hold
 * more memory in each open batch; smaller ones cost a call each.
 */
export const SLICE_BYTES = 512 * 1024;

/** Enough for the slices that are being compressed; a fresh buffer for each would wait for the collector. */
const MAX_SPARE_SLICES = 24;

const spare: Buffer[] = [];

/** A buffer of one whole slice, contents undefined. */
export function takeSlice(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(SLICE_BYTES);
}

/** Gives a buffer back that nobody reads any more. Also a smaller one, with memory of its own. */
export function giveSlice(buffer: Buffer): void {
  if (buffer.length === SLICE_BYTES && spare.length < MAX_SPARE_SLICES) spare.push(buffer);
  else if (buffer.length > 0) free(buffer);
}

/** Frees memory that nobody reads any more; the collector would come when 50 MB have piled up. */
export function free({ buffer }: Uint8Array): void {
  (buffer as ArrayBuffer).transfer(0);
}
