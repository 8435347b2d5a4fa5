import type { Verdict } from '@trailpush/core';

/**
 * What an answer or a fault means. One table each for statuses, for error codes of S3 and for faults of
 * the connection; `verdict.test.ts` walks them.
 */
export type VerdictKind = Verdict['kind'];

const MIN_RETRY_AFTER_MS = 1_000;
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Receivers that take POSTs: the body may be at fault. Statuses that are missing here fall back by class. */
export const HTTP_STATUS_VERDICTS: ReadonlyMap<number, VerdictKind> = new Map<number, VerdictKind>([
  // Multi-status: some lines were taken and some not, and no adapter here can tell which.
  [207, 'refused'],
  [400, 'rejected'],
  [408, 'throttled'],
  // Another request with this Idempotency-Key is still being worked on.
  [409, 'retry'],
  [413, 'too_large'],
  [421, 'retry'],
  [422, 'rejected'],
  [425, 'throttled'],
  [429, 'throttled'],
  [501, 'refused'],
  [505, 'refused'],
]);

/** Codes of S3 that mean something else than their status says. */
export const S3_CODE_VERDICTS: ReadonlyMap<string, VerdictKind> = new Map<string, VerdictKind>([
  // The body was damaged or cut on its way.
  ['BadDigest', 'retry'],
  ['IncompleteBody', 'retry'],
  ['XAmzContentSHA256Mismatch', 'retry'],
  ['XAmzContentChecksumMismatch', 'retry'],
  ['RequestTimeout', 'retry'],
  // The SDK corrects its clock by the answer, so the next attempt is signed with the right time.
  ['RequestTimeTooSkewed', 'retry'],
  ['OperationAborted', 'retry'],
  ['ConditionalRequestConflict', 'retry'],
  ['TemporaryRedirect', 'retry'],
  ['SlowDown', 'throttled'],
  ['Throttling', 'throttled'],
  ['ThrottlingException', 'throttled'],
  ['RequestLimitExceeded', 'throttled'],
  ['TooManyRequests', 'throttled'],
]);

/** Codes of Logpush for what has no HTTP status. */
export const LOGPUSH_CODES = {
  ConnectionError: 1101,
  ConnectionTimeout: 1102,
  ConfigError: 1104,
  DNSError: 1105,
  Timeout: 1106,
  RequestError: 1107,
  TransferError: 1108,
} as const;

export interface FaultRow {
  readonly verdict: 'retry' | 'refused';
  readonly type: keyof typeof LOGPUSH_CODES;
  readonly words: string;
}

const row = (verdict: FaultRow['verdict'], type: FaultRow['type'], words: string): FaultRow => ({
  verdict,
  type,
  words,
});

/** By `code` of the error. Codes that are missing here are `retry`: doubt is never success and never final. */
export const FAULT_VERDICTS: ReadonlyMap<string, FaultRow> = new Map([
  ['address_blocked', row('refused', 'ConfigError', '')],
  ['connect_timeout', row('retry', 'ConnectionTimeout', '')],
  ['tls_timeout', row('retry', 'ConnectionTimeout', '')],
  ['stalled', row('retry', 'Timeout', '')],
  ['deadline', row('retry', 'Timeout', '')],
  ['no_address', row('retry', 'DNSError', '')],
  ['closed', row('retry', 'RequestError', '')],
  ['ENOTFOUND', row('refused', 'DNSError', 'the host name does not exist')],
  ['EAI_AGAIN', row('retry', 'DNSError', 'the name server does not answer')],
  ['ECONNREFUSED', row('retry', 'ConnectionError', 'the host refused the connection')],
  ['EHOSTUNREACH', row('retry', 'ConnectionError', 'there is no route to the host')],
  ['ENETUNREACH', row('retry', 'ConnectionError', 'the network is unreachable')],
  ['ETIMEDOUT', row('retry', 'ConnectionTimeout', 'the host did not answer')],
  [
    'ECONNRESET',
    row('retry', 'TransferError', 'the connection was cut before the answer was whole'),
  ],
  ['EPIPE', row('retry', 'TransferError', 'the connection was cut while the object was sent')],
  ['HPE_INVALID_CONSTANT', row('refused', 'TransferError', 'the answer is not HTTP')],
  ['EMFILE', row('retry', 'RequestError', 'this process has too many open files')],
  ['ENFILE', row('retry', 'RequestError', 'this machine has too many open files')],
  ['ENOSPC', row('retry', 'TransferError', 'no space is left on the device')],
  ['EDQUOT', row('retry', 'TransferError', 'the disk quota is used up')],
  ['EIO', row('retry', 'TransferError', 'the device reported an input/output error')],
  ['ENOENT', row('refused', 'ConfigError', 'the folder of TRAILPUSH_FILE_ROOT does not exist')],
  ['EACCES', row('refused', 'ConfigError', 'this process may not write there')],
  ['EPERM', row('refused', 'ConfigError', 'this process may not write there')],
  ['EROFS', row('refused', 'ConfigError', 'the file system is read-only')],
  ['ENOTDIR', row('refused', 'ConfigError', 'a file is where a folder should be')],
  ['EISDIR', row('refused', 'ConfigError', 'a folder is where the object should be')],
  ['ELOOP', row('refused', 'ConfigError', 'the path holds a symbolic link')],
  ['ENAMETOOLONG', row('refused', 'ConfigError', 'the path is too long for the file system')],
  [
    'EPROTO',
    row('refused', 'ConnectionError', 'the TLS handshake failed, as it does at a port without TLS'),
  ],
]);

/** Certificate faults of OpenSSL as Node names them, and versions of TLS that are too old. */
const TLS_CONFIG_FAULT =
  /^(?:CERT_|ERR_TLS_CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|CRL_|INVALID_(?:CA|PURPOSE)$|HOSTNAME_MISMATCH$|ERR_SSL_(?:UNSUPPORTED_PROTOCOL|TLSV1_ALERT_PROTOCOL_VERSION|NO_PROTOCOLS_AVAILABLE|SSL\/TLS_ALERT_HANDSHAKE_FAILURE|TLSV1_UNRECOGNIZED_NAME|TLSV13_ALERT_CERTIFICATE_REQUIRED))/;

/** @param code of an error; undefined when it has none. */
export function faultOf(code: string | undefined): FaultRow {
  if (code === undefined) return row('retry', 'RequestError', '');
  if (TLS_CONFIG_FAULT.test(code)) {
    return row('refused', 'ConnectionError', '');
  }
  return FAULT_VERDICTS.get(code) ?? row('retry', 'RequestError', '');
}

/** A status of a receiver that takes POSTs, its answer complete. */
export function httpVerdict(status: number, retryAfterMs: number | undefined): Verdict {
  return verdictOf(HTTP_STATUS_VERDICTS.get(status) ?? classOf(status), status, retryAfterMs);
}

/** A status and a code of S3 that are no success. */
export function s3Verdict(
  status: number,
  code: string | undefined,
  retryAfterMs: number | undefined,
): Verdict {
  const byCode = code === undefined ? undefined : S3_CODE_VERDICTS.get(code);
  return storeVerdict(status, byCode, retryAfterMs);
}

/**
 * A status of an object store that is no success; `byCode` is what its own words mean, if they say more.
 * The body is gzip under a key that the store has accepted before, so 400 and 413 are about the
 * configuration.
 */
export function storeVerdict(
  status: number,
  byCode: VerdictKind | undefined,
  retryAfterMs: number | undefined,
): Verdict {
  const kind = byCode ?? HTTP_STATUS_VERDICTS.get(status) ?? classOf(status);
  const aboutBody = kind === 'rejected' || kind === 'too_large';
  // Success is decided by its evidence alone: here even a 200 is doubt.
  const doubt = kind === 'delivered';
  return verdictOf(aboutBody ? 'refused' : doubt ? 'retry' : kind, status, retryAfterMs);
}

function classOf(status: number): VerdictKind {
  if (status >= 200 && status < 300) return 'delivered';
  return status >= 500 ? 'retry' : 'refused';
}

function verdictOf(kind: VerdictKind, status: number, retryAfterMs: number | undefined): Verdict {
  const isPaced = kind === 'throttled' || (kind === 'retry' && status >= 500);
  if (isPaced && retryAfterMs !== undefined) return { kind: 'throttled', retryAfterMs };
  return kind === 'throttled' ? { kind, retryAfterMs: MIN_RETRY_AFTER_MS } : { kind };
}

/**
 * A `Retry-After` header in milliseconds from now, within 1 s and 1 h.
 * @returns undefined when it is missing or garbage
 */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? '';
  let ms: number;
  if (/^\d+$/.test(text)) ms = Number(text) * 1_000;
  else if (/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? /.test(text)) ms = Date.parse(text) - nowMs;
  else return undefined;
  if (Number.isNaN(ms)) return undefined;
  return Math.min(Math.max(ms, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
}
