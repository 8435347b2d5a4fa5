/** Where digests lie, and which of an object store's files are ours but no objects. */
import type { AttemptResult, Clock, DigestPlace, StoredDigest } from '@trailpush/core';

import type { DestinationDeps, OpenableDestination } from '../kind.ts';
import { fixedFolder } from '../object-key.ts';
import { putOnce } from '../open-destination.ts';

const FILE =
  /^(?:(.+)\/)?_trailpush\/digests\/(\d{1,15})\/(\d{10})_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.json$/;
/** The test upload, proofs of ownership, and what a crash leaves of a file that was being written. */
const OTHERS =
  /(?:^|\/)(?:_trailpush\/test\.txt\.gz|ownership-challenge\.txt|\.[0-9a-f-]{36}\.tmp)$/;

export function digestPlace({ location, pathTemplate }: OpenableDestination): DigestPlace {
  return { location, folder: fixedFolder(pathTemplate) };
}

/** `<folder>/_trailpush/digests/<job>/<sequence>_<end>.json`: in order of name, in order of time. */
export function digestKey(
  folder: string,
  { jobId, sequence, toMs }: Pick<StoredDigest, 'jobId' | 'sequence' | 'toMs'>,
): string {
  const stamp = `${new Date(toMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
  const name = `${String(sequence).padStart(10, '0')}_${stamp}.json`;
  return [folder, '_trailpush/digests', String(jobId), name]
    .filter((part) => part !== '')
    .join('/');
}

export interface DigestName {
  readonly folder: string;
  readonly jobId: number;
  readonly sequence: number;
  /** When it ends, to the second. */
  readonly toMs: number;
}

/** Undefined when the key names no digest. */
export function parseDigestKey(key: string): DigestName | undefined {
  const [, folder = '', jobId, sequence, ...stamp] = FILE.exec(key) ?? [];
  if (jobId === undefined) return undefined;
  const [year = 0, month = 1, day = 0, hour = 0, minute = 0, second = 0] = stamp.map(Number);
  const toMs = Date.UTC(year, month - 1, day, hour, minute, second);
  return { folder, jobId: Number(jobId), sequence: Number(sequence), toMs };
}

/** True for files that Trailpush writes beside objects and digests. */
export function isOwnFile(key: string): boolean {
  return OTHERS.test(key);
}

/** Writes a digest beside the objects of an object store. Each attempt writes the same bytes under the same name. */
export function putDigest(
  parsed: OpenableDestination,
  digest: StoredDigest,
  deps: DestinationDeps & { readonly clock: Clock },
  signal: AbortSignal,
): Promise<AttemptResult> {
  const upload = {
    key: digestKey(fixedFolder(parsed.pathTemplate), digest),
    idempotencyKey: `digest-${digest.jobId}-${digest.sequence}`,
    body: [digest.body],
    bodyBytes: digest.body.length,
    contentType: 'application/json',
    isPlain: true as const,
    metadata: undefined,
  };
  return putOnce(parsed, upload, deps, signal);
}
