import type { Readable } from 'node:stream';
import {
  MAX_DIGEST_BYTES,
  parseDigestKey,
  readDigest,
  UnprovenError,
  type EvidenceSource,
  type ProvenDigest,
  type VerifyingKeys,
} from '@trailpush/destinations';
import type { Report } from './findings.ts';

/** The digests of one job at one place. */
export interface ChainName {
  /** Holds `_trailpush`; below the verified place, empty or with a slash at its end. */
  readonly base: string;
  readonly jobId: number;
}

export interface ChainOptions {
  readonly source: EvidenceSource;
  readonly keys: VerifyingKeys;
  readonly report: Report;
  /** Digests that end before are passed over, unread. */
  readonly sinceMs: number;
}

interface Link {
  readonly sequence: number;
  /** Undefined when it could not be believed. */
  readonly digest: ProvenDigest | undefined;
}

/** Follows a chain from its first digest to its last, and yields each that is proven. */
export async function* followChain(
  { base, jobId }: ChainName,
  options: ChainOptions,
): AsyncGenerator<ProvenDigest, void, void> {
  const { report } = options;
  const names = await listDigests(`${base}_trailpush/digests/${jobId}/`, options);
  let before: Link | undefined;
  for (const { key, sequence, isFirst } of names) {
    if (sequence === before?.sequence) {
      report.add('chain_broken', key, `there is another digest with number ${sequence}`);
      continue;
    }
    const digest = await readOne(key, { jobId, sequence }, options);
    const fault = digest && linkFault(before, digest, isFirst);
    if (fault !== undefined) report.add('chain_broken', key, fault);
    before = { sequence, digest };
    if (digest !== undefined) yield digest;
  }
}

/** In order of sequence: a year of them takes about a megabyte. */
async function listDigests(folder: string, { source, sinceMs }: ChainOptions) {
  const names: { key: string; sequence: number; isFirst: boolean }[] = [];
  for await (const { key } of source.list(folder)) {
    const name = parseDigestKey(key);
    if (name === undefined || name.toMs < sinceMs) continue;
    names.push({ key, sequence: name.sequence, isFirst: false });
  }
  names.sort((one, other) => (one.key < other.key ? -1 : 1));
  const [first] = names;
  // With --since, what came before the first one was not asked for.
  if (first && sinceMs > -Infinity) first.isFirst = true;
  return names;
}

async function readOne(
  key: string,
  { jobId, sequence }: { jobId: number; sequence: number },
  { source, keys, report }: ChainOptions,
): Promise<ProvenDigest | undefined> {
  const body = await source.read(key);
  if (body === undefined) {
    report.add('chain_broken', key, 'the digest vanished while it was to be read');
    return undefined;
  }
  try {
    const digest = readDigest(await bytesOf(body), keys);
    if (digest.text.job_id !== jobId || digest.text.sequence !== sequence) {
      throw new UnprovenError(
        `it is digest ${digest.text.sequence} of job ${digest.text.job_id} under another name`,
      );
    }
    return digest;
  } catch (error) {
    if (!(error instanceof UnprovenError)) throw error;
    report.add('unsigned', key, `the digest cannot be believed: ${error.message}`);
    return undefined;
  }
}

async function bytesOf(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_DIGEST_BYTES) {
      body.destroy();
      throw new UnprovenError(`it is larger than any digest, ${MAX_DIGEST_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What is wrong between a digest and the one before it; undefined when all is well. */
function linkFault(
  before: Link | undefined,
  { text }: ProvenDigest,
  isFirst: boolean,
): string | undefined {
  if (isFirst) return undefined;
  const missingFrom = (before?.sequence ?? 0) + 1;
  if (missingFrom < text.sequence) return missingFault(missingFrom, before, text);
  if (before === undefined) return text.previous === null ? undefined : 'it is not the first';
  // One that cannot be believed was told of already.
  if (before.digest === undefined) return undefined;
  const { hash, signature } = before.digest;
  if (text.previous?.sha256 !== hash || text.previous.signature !== signature) {
    return 'the digest before it is not the one that it was made after';
  }
  if (text.from !== before.digest.text.to) return 'it does not begin where the one before ended';
  return undefined;
}

/** Numbers that are not here are missing, unless the job wrote them elsewhere before it moved. */
function missingFault(
  missingFrom: number,
  before: Link | undefined,
  text: ProvenDigest['text'],
): string | undefined {
  const here = text.places.at(-1);
  const stays = text.places.map((place, at) => ({
    isHere: place.location === here?.location && place.folder === here.folder,
    from: place.since,
    until: text.places[at + 1]?.since ?? text.sequence,
  }));
  const gone = stays
    .filter(({ isHere }) => isHere)
    .map(({ from, until }) => ({ from: Math.max(from, missingFrom), until }))
    .filter(({ from, until }) => from < until);
  const [first] = gone;
  const last = gone.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const which =
    first.from === last.until - 1
      ? `digest ${first.from} is missing`
      : `digests ${first.from} to ${last.until - 1} are missing`;
  const since = before?.digest ? `, of the time from ${before.digest.text.to} to ${text.from}` : '';
  return `${which} before it${since || `, of the time before ${text.from}`}`;
}
