import { promisify } from 'node:util';
import { gunzip, gzipSync, zstdCompressSync, zstdDecompress } from 'node:zlib';
import createSnappyCodec from 'kafkajs-snappy';
import { compressFrameSync, decompressFrame } from 'lz4-napi';
import { messageOf } from '@trailpush/core';

/**
 * Bounds what one compressed batch may unfold to. Producers compress at most `max.message.bytes` (a few
 * MiB) into a batch; gzip could turn that into gigabytes.
 */
const maxOutputLength = 256 * 1024 * 1024;

const gunzipAsync = promisify(gunzip);
const zstdDecompressAsync = promisify(zstdDecompress);
const snappy = createSnappyCodec();

const decompressors = new Map<number, (bytes: Buffer) => Promise<Buffer>>([
  [1, (bytes) => gunzipAsync(bytes, { maxOutputLength })],
  // kafkajs-snappy knows both plain snappy and the framing that Java producers put around it.
  [2, async (bytes) => Buffer.from(await snappy.decompress(bytes))],
  [3, (bytes) => decompressFrame(bytes)],
  [4, (bytes) => zstdDecompressAsync(bytes, { maxOutputLength })],
]);

/**
 * The records of a batch, by the codec number of its attributes (1 to 4).
 * @throws Error when the codec is unknown or the bytes are not of it.
 */
export async function decompress(codec: number, bytes: Buffer): Promise<Buffer> {
  const decompressor = decompressors.get(codec);
  if (decompressor === undefined) throw new Error(`compression codec ${codec} is unknown`);
  return decompressor(bytes);
}

/**
 * Unpacks a sample of every codec, so that a missing native library shows when the program starts and
 * not when the first producer turns compression on.
 * @throws Error naming the codec.
 */
export async function checkCodecs(): Promise<void> {
  const sample = Buffer.from('a sample, a sample, a sample');
  const packed: readonly (readonly [number, string, Buffer])[] = [
    [1, 'gzip', gzipSync(sample)],
    [2, 'snappy', await snappy.compress({ buffer: sample })],
    [3, 'lz4', compressFrameSync(sample)],
    [4, 'zstd', zstdCompressSync(sample)],
  ];
  for (const [codec, name, bytes] of packed) {
    const unpacked = await decompress(codec, bytes).catch((error: unknown) => messageOf(error));
    if (unpacked instanceof Buffer && unpacked.equals(sample)) continue;
    throw new Error(`the ${name} codec does not work on this machine: ${String(unpacked)}`);
  }
}
