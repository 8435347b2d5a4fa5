import type { BatchFrame } from '@trailpush/core';

/** A `BatchFrame` in bytes. */
export interface Frame {
  readonly prefix: Buffer;
  readonly delimiter: Buffer;
  readonly suffix: Buffer;
  readonly contentType: string;
  readonly defusesLookups: boolean;
}

export const DOLLAR = Buffer.from('$');
export const LETTER_X = Buffer.from('x');
export const OPENING_BRACE = 0x7b;

/** Constants of one job, made once for all its batches. */
export function compileFrame(frame: BatchFrame): Frame {
  const { prefix, delimiter, suffix, contentType, defusesLookups } = frame;
  const bytesOf = (text: string) =>
    Buffer.from(defusesLookups ? text.replaceAll('${', 'x{') : text);
  return {
    prefix: bytesOf(prefix),
    delimiter: bytesOf(delimiter),
    suffix: bytesOf(suffix),
    contentType,
    defusesLookups,
  };
}
