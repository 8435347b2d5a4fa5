import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';

type Callback = (error: Error | null, compressed: Buffer) => void;

const MAX_BLOCK_BYTES = 65_535;
const GZIP_HEADER_BYTES = 10;
const GZIP_TRAILER_BYTES = 8;
const EMPTY_STORED_BLOCK = Buffer.from([0, 0, 0, 0xff, 0xff]);

/**
 * Lets `zlib.deflateRaw` of this thread answer in stored blocks (RFC 1951, 3.2.4), which is valid and
 * costs nothing, and on the simulation's time. Lasts until it is called again.
 */
export function storeInsteadOfDeflate(answer: (done: () => void) => void): void {
  const deflateRaw = (raw: Buffer, options: zlib.ZlibOptions, done: Callback): void => {
    const isEnd = options.finishFlush === zlib.constants.Z_FINISH;
    const stored = storedBlocks(raw, isEnd);
    answer(() => done(null, stored));
  };
  zlib.deflateRaw = deflateRaw as typeof zlib.deflateRaw;
  // Named imports see a changed built-in only after this.
  syncBuiltinESMExports();
}

function storedBlocks(raw: Buffer, isEnd: boolean): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < raw.length || at === 0; at += MAX_BLOCK_BYTES) {
    const piece = raw.subarray(at, at + MAX_BLOCK_BYTES);
    const header = Buffer.alloc(5);
    header[0] = isEnd && at + MAX_BLOCK_BYTES >= raw.length ? 1 : 0;
    header.writeUInt16LE(piece.length, 1);
    header.writeUInt16LE(piece.length ^ 0xffff, 3);
    pieces.push(header, piece);
  }
  if (!isEnd) pieces.push(EMPTY_STORED_BLOCK);
  return Buffer.concat(pieces);
}

/** The payload of a gzip member of stored blocks. @throws Error when it is none, or is cut short. */
export function storedPayload(pieces: readonly Uint8Array[]): string {
  const wire = Buffer.concat(pieces);
  let at = GZIP_HEADER_BYTES;
  let text = '';
  for (let isEnd = false; !isEnd;) {
    isEnd = wire[at] === 1;
    const length = wire.readUInt16LE(at + 1);
    at += 5;
    text += wire.toString('latin1', at, at + length);
    at += length;
  }
  if (at + GZIP_TRAILER_BYTES !== wire.length)
    throw new Error('the body does not end where it says');
  if (wire.readUInt32LE(at + 4) !== text.length) throw new Error('the body has another length');
  return text;
}
