import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

import type { FastifyRequest } from 'fastify';

import { ApiError, CODE, unsupportedMedia } from './envelope.ts';
import type { ByteBudget } from './byte-budget.ts';

const NEWLINE = 0x0a;

export interface BodyLimits {
  /** Of one body, uncompressed. */
  readonly maxBytes: number;
  /** Blank ones included: many tiny lines cost more time than their bytes tell. */
  readonly maxLines: number;
  /** Shared by all requests. */
  readonly budget: ByteBudget;
}

/** A whole body, uncompressed. Its bytes count against the budget until `giveBack`. */
export interface ReadBody {
  readonly chunks: readonly Buffer[];
  readonly giveBack: () => void;
}

/**
 * Reads a whole body that may be gzip. Bytes are taken from the budget as they arrive, uncompressed, so
 * that a small body that inflates without end costs little.
 * @throws ApiError 400, 413, 415, 503
 */
export async function readBody(
  request: FastifyRequest<{ Body: Readable }>,
  { maxBytes, maxLines, budget }: BodyLimits,
): Promise<ReadBody> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const { chunks, stop } = decode(request);
  const body: Buffer[] = [];
  let bytes = 0;
  let newlines = 0;
  const giveBack = () => budget.giveBack(bytes);
  try {
    for await (const chunk of chunks) {
      if (bytes + chunk.length > maxBytes) throw tooLarge(maxBytes);
      if (!budget.tryTake(chunk.length)) throw busy();
      bytes += chunk.length;
      body.push(chunk);
      newlines += countNewlines(chunk);
      // Unless the chunk ends with its line, one more has begun.
      const lines = chunk.at(-1) === NEWLINE ? newlines : newlines + 1;
      if (lines > maxLines) throw tooManyLines(maxLines);
    }
    return { chunks: body, giveBack };
  } catch (error) {
    giveBack();
    if (error === request.body.errored) throw incomplete();
    throw isZlibError(error) ? badGzip(error) : error;
  } finally {
    stop();
  }
}

function countNewlines(chunk: Buffer): number {
  let newlines = 0;
  for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) newlines++;
  return newlines;
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

/** Nobody reads it, as the client is gone; it keeps that from being logged as a failure of ours. */
function incomplete(): ApiError {
  const message = 'the connection ended before the body was complete';
  return new ApiError(400, [{ code: CODE.invalid, message }]);
}

function tooLarge(maxBytes: number): ApiError {
  const message = `the body has more than ${maxBytes} bytes uncompressed: send it in parts`;
  return new ApiError(413, [{ code: CODE.invalid, message }]);
}

function tooManyLines(maxLines: number): ApiError {
  const message = `the body has more than ${maxLines} lines: send it in parts`;
  return new ApiError(413, [{ code: CODE.invalid, message }]);
}

function busy(): ApiError {
  const message =
    'too many events are being taken in at once; nothing was acknowledged: send the same lines again';
  return new ApiError(503, [{ code: CODE.unavailable, message }]);
}
