import type { LogRecord } from '@trailpush/core';

/** A record as it lies in a chunk: u32 key bytes, u32 value bytes (little endian), key, value. */
export interface Frame {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

const HEADER_BYTES = 8;

export function frameBytes(frame: Frame): number {
  return HEADER_BYTES + frame.key.byteLength + frame.value.byteLength;
}

/** Frames one after the other, in memory of their own, so that it can be moved to another thread. */
export function encodeFrames(frames: readonly Frame[]): Buffer<ArrayBuffer> {
  const bytes = frames.reduce((sum, frame) => sum + frameBytes(frame), 0);
  const chunk = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const { key, value } of frames) {
    at = chunk.writeUInt32LE(key.byteLength, at);
    at = chunk.writeUInt32LE(value.byteLength, at);
    chunk.set(key, at);
    at += key.byteLength;
    chunk.set(value, at);
    at += value.byteLength;
  }
  return chunk;
}

/** What is stored beside the frames of one chunk. */
export interface ChunkHeader {
  readonly baseOffset: number;
  readonly records: number;
  readonly timestampMs: number;
  readonly bytes: number;
}

/**
 * Adds the records of one chunk from `fromOffset` on to `into`, as views of `data`.
 * @throws Error when the bytes are not exactly the records that the header promises.
 */
export function decodeFrames(
  data: Buffer,
  header: ChunkHeader,
  fromOffset: number,
  into: LogRecord[],
): void {
  const { baseOffset, records, timestampMs } = header;
  let at = 0;
  for (let offset = baseOffset; offset < baseOffset + records; offset += 1) {
    if (at + HEADER_BYTES > data.byteLength) throw damaged(header);
    const keyAt = at + HEADER_BYTES;
    const valueAt = keyAt + data.readUInt32LE(at);
    at = valueAt + data.readUInt32LE(at + 4);
    if (at > data.byteLength) throw damaged(header);
    if (offset < fromOffset) continue;
    const key = data.subarray(keyAt, valueAt);
    into.push({ offset, timestampMs, key, value: data.subarray(valueAt, at) });
  }
  if (at !== data.byteLength) throw damaged(header);
}

function damaged({ baseOffset, records, bytes }: ChunkHeader): Error {
  return new Error(`the ${bytes} bytes stored at offset ${baseOffset} are not ${records} records`);
}
