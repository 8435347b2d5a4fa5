import { type Conf, invalidConf, printable } from './conf.ts';

const PREFIX = 'header_';
const MAX_HEADERS = 32;

/** Headers that belong to the connection, to the framing of the body, or to this program. */
const RESERVED: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-md5',
  'expect',
  'host',
  'http2-settings',
  'idempotency-key',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'webhook-id',
  'webhook-signature',
  'webhook-timestamp',
]);

export function isHeaderParam(name: string): boolean {
  return name.startsWith(PREFIX);
}

/**
 * The headers of a conf, in order: names as written, values decoded.
 * @throws InvalidDestinationError
 */
export function parseHeaders(conf: Conf): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  const seen = new Set<string>();
  for (const { name: param, value } of conf.params) {
    if (!isHeaderParam(param)) continue;
    const name = param.slice(PREFIX.length);
    const lower = name.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      throw invalidConf(`parameter ${printable(param)} does not name a header`);
    }
    if (RESERVED.has(lower) || /^(?:proxy|trailpush)-/.test(lower)) {
      throw invalidConf(`parameter ${param}: this header is set by Trailpush and cannot be chosen`);
    }
    if (seen.has(lower)) throw invalidConf(`header ${name} is given twice`);
    if (value === '') throw invalidConf(`parameter ${param} has no value`);
    if (!/^[\x20-\x7e\xa0-\xff]+$/.test(value)) {
      throw invalidConf(
        `parameter ${param} has a character that no header may hold: only printable Latin-1 is allowed`,
      );
    }
    seen.add(lower);
    headers.set(name, value);
  }
  if (headers.size > MAX_HEADERS) {
    throw invalidConf(`${headers.size} headers are more than the ${MAX_HEADERS} allowed`);
  }
  return headers;
}
