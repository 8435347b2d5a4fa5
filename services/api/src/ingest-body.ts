import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

import type { FastifyRequest } from 'fastify';

import { ApiError, CODE, unsupportedMedia } from './envelope.ts';
import type { ByteBudget } from './byte-budget.ts';

export interface BodyLimits {
  /** Of one body, uncompressed. */
  readonly maxBytes: number;
  /** Shared by all requests. */
  readonly budget: ByteBudget;
}

/**
 * Reads a body that may be gzip, chunk by chunk, and hands each to `onChunk`. Bytes are taken from the
 * budget as they arrive, uncompressed, so that a small body that inflates without end costs little.
 * @returns what was taken and is to be given back, also when reading fails: call `giveBack`.
 * @throws ApiError 400, 413, 415, 503
 */
export async function readBody(
  request: FastifyRequest<{ Body: Readable }>,
  { maxBytes, budget }: BodyLimits,
  onChunk: (chunk: Buffer) => void,
): Promise<() => void> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const { chunks, stop } = decode(request);
  let taken = 0;
  const giveBack = () => {
    budget.giveBack(taken);
    taken = 0;
  };
  try {
    for await (const chunk of chunks) {
      if (taken + chunk.length > maxBytes) throw tooLarge(maxBytes);
      if (!budget.tryTake(chunk.length)) throw busy();
      taken += chunk.length;
      onChunk(chunk);
    }
    return giveBack;
  } catch (error) {
    giveBack();
    throw isZlibError(error) ? badGzip(error) : error;
  } finally {
    stop();
  }
}

interface DecodedBody {
  readonly chunks: AsyncIterable<Buffer>;
  /** Stops reading without cutting the connection, on which the answer is still to be sent. */
  readonly stop: () => void;
}

function decode(request: FastifyRequest<{ Body: Readable }>): DecodedBody {
  const { body } = request;
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') {
    return { chunks: body.iterator({ destroyOnReturn: false }), stop: () => undefined };
  }
  if (encoding !== 'gzip') {
    throw unsupportedMedia(`Content-Encoding ${encoding.slice(0, 40)} is not supported: use gzip`);
  }
  const gunzip = createGunzip();
  // `pipeline` would destroy the request, and with it the connection, when reading stops early.
  const abort = (error: Error) => gunzip.destroy(error);
  body.once('error', abort);
  body.pipe(gunzip);
  return {
    chunks: gunzip,
    stop: () => {
      body.unpipe(gunzip);
      body.off('error', abort);
      gunzip.destroy();
    },
  };
}

function isZlibError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && /^Z_/.test((error as NodeJS.ErrnoException).code ?? '');
}

function badGzip(error: Error): ApiError {
  const message = `the body is not the gzip that Content-Encoding says: ${error.message}`;
  return new ApiError(400, [{ code: CODE.invalid, message }]);
}

function tooLarge(maxBytes: number): ApiError {
  const message = `the body has more than ${maxBytes} bytes uncompressed: send it in parts`;
  return new ApiError(413, [{ code: CODE.invalid, message }]);
}

function busy(): ApiError {
  const message =
    'too many events are being taken in at once; nothing was acknowledged: send the same lines again';
  return new ApiError(503, [{ code: CODE.unavailable, message }]);
}
