import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';
import type { Clock } from '@trailpush/core';

type Callback = (error: Error | null, compressed: Buffer) => void;

/**
 * Lets `zlib.deflateRaw` answer on a clock that tests turn instead of by the thread pool, whose threads
 * end in no certain order and which nobody can wait for. The bytes stay those of zlib. Returns what
 * puts the real one back.
 */
export function compressOn(clock: Clock): () => void {
  const real = zlib.deflateRaw;
  const virtual = (raw: Buffer, options: zlib.ZlibOptions, done: Callback): void => {
    const compressed = zlib.deflateRawSync(raw, options);
    void clock.sleep(0).then(() => done(null, compressed));
  };
  install(virtual as typeof zlib.deflateRaw);
  return () => install(real);
}

function install(deflateRaw: typeof zlib.deflateRaw): void {
  zlib.deflateRaw = deflateRaw;
  // Named imports see a changed built-in only after this.
  syncBuiltinESMExports();
}
