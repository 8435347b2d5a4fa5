import { pipeline, type Readable } from 'node:stream';
import { createGzip } from 'node:zlib';

import type { Tenant } from '@trailpush/core';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { csvHeader, csvRowOf } from './csv.ts';
import type { DownloadFormat, Downloads } from './downloads.ts';
import { itemShape } from './item.ts';
import type { Parameters } from './parameters.ts';
import type { FoundEvents } from './search.ts';
import { readWindow, timeText, type Window } from './time.ts';

/** A download should wait for the network, not for the compressor. */
const GZIP_LEVEL = 1;
const ACCEPTS_GZIP = /(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)/i;

const FORMATS = ['ndjson', 'csv'] as const;
const TYPES = {
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

/** Besides filters: the same as in a list, and the format. */
export const DOWNLOAD_CONTROLS = ['since', 'before', 'direction', 'format', 'search'];

/** Answers with everything that is asked for, as a file. @throws ApiError */
export async function sendDownload(
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  downloads: Downloads,
  of: { parameters: Parameters; found: FoundEvents },
): Promise<FastifyReply> {
  const { parameters, found } = of;
  const { tenant } = found;
  const format = parameters.word('format', FORMATS, 'ndjson');
  const window = readWindow(parameters);
  const direction = parameters.word('direction', ['asc', 'desc'], 'asc');
  const query = { ...found, direction, ...window };
  const stream = await downloads.open(query, formatOf(format, tenant));
  // Whoever reads a part must see that it is one, also through HTTP/1.0, which has no end but that of the connection.
  stream.once('error', () => request.raw.socket.resetAndDestroy());
  void reply.headers({
    'content-type': TYPES[format],
    'content-disposition': `attachment; filename="${nameOf(tenant, window)}.${format}"`,
    vary: 'Accept-Encoding',
  });
  if (!ACCEPTS_GZIP.test(request.headers['accept-encoding'] ?? '')) return reply.send(stream);
  return reply.header('content-encoding', 'gzip').send(compressed(stream));
}

/** How the log of a tenant is written. */
export function formatOf(format: (typeof FORMATS)[number], tenant: Tenant): DownloadFormat {
  if (format === 'csv') {
    const header = csvHeader(tenant.kind);
    const read: DownloadFormat['read'] = async (store, query, places) =>
      (await store.read(query, places)).map(csvRowOf).join('');
    return { header, read };
  }
  const shape = itemShape(tenant);
  return { header: '', read: (store, query, places) => store.readLines(query, places, shape) };
}

/** Each ends with the other. */
function compressed(stream: Readable): Readable {
  // What goes wrong is reported by the streams themselves.
  return pipeline(stream, createGzip({ level: GZIP_LEVEL }), () => undefined);
}

/** `audit_logs_acme_20260501T000000Z_20260601T000000Z`. */
function nameOf({ id }: Tenant, { sinceMicros, beforeMicros }: Window): string {
  const times = [sinceMicros, beforeMicros].map((micros) =>
    timeText(Math.floor(micros / 1e6) * 1e6).replaceAll(/[-:]/g, ''),
  );
  return ['audit_logs', id, ...times].join('_');
}
