import PQueue from 'p-queue';
import {
  isOwnFile,
  parseDigestKey,
  type DigestText,
  type EvidenceSource,
  type VerifyingKeys,
} from '@trailpush/destinations';
import { followChain, type ChainName } from './chain.ts';
import { Report, type VerifiedChain } from './findings.ts';
import { NameSet } from './name-set.ts';
import { readPayload } from './payload.ts';

/** Objects that are read at once. */
const CONCURRENCY = 8;
/** Digests may be so many intervals late before a chain counts as cut off. */
const LATE_INTERVALS = 2;
/** Clocks of stores may be so far behind ours. */
const CLOCK_SLACK_MS = 10 * 60_000;

export interface VerifyOptions {
  readonly source: EvidenceSource;
  readonly keys: VerifyingKeys;
  /** Chains must reach up to here, but for being late. */
  readonly untilMs: number;
  /** True when somebody named that time: then a job that was disabled must reach it as well. */
  readonly isUntilGiven: boolean;
  /** Jobs whose digests must be there. */
  readonly jobIds: readonly number[];
  /** Objects and digests of before are not looked at; -Infinity: none. */
  readonly sinceMs: number;
  readonly onProgress: (progress: { total?: number; done?: number }) => void;
}

/** What is known of a chain once it was followed to its end. */
interface ChainEnd {
  readonly base: string;
  readonly toMs: number;
}

/** Compares what lies at a place with what its digests name. @throws SourceError, ConfigError */
export async function verifyPlace(options: VerifyOptions): Promise<Report> {
  const verification = new Verification(options);
  await verification.run();
  return verification.report;
}

class Verification {
  readonly report = new Report();
  readonly #options: VerifyOptions;
  readonly #named = new NameSet();
  /** Objects of plans that were open at the end: they may be there, or not yet. */
  readonly #planned = new Set<string>();
  readonly #ends: ChainEnd[] = [];
  readonly #queue = new PQueue({ concurrency: CONCURRENCY });
  #failure: Error | undefined;

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const chains = await this.#findChains();
    if (chains.length === 0) {
      const { name } = this.#options.source;
      this.report.add('no_digests', '', `there is no digest in ${name}: is it the job's folder?`);
      return;
    }
    for (const jobId of this.#options.jobIds) {
      if (chains.some((chain) => chain.jobId === jobId)) continue;
      this.report.add('no_digests', '', `there is no digest of job ${jobId}`);
    }
    for (const chain of chains) await this.#verifyChain(chain);
    await this.#findForeign();
  }

  /** One look at all names: which chains there are, and how many objects. */
  async #findChains(): Promise<readonly ChainName[]> {
    const { source, sinceMs, onProgress } = this.#options;
    const chains = new Map<string, ChainName>();
    let total = 0;
    for await (const { key, modifiedMs } of source.list('')) {
      const digest = parseDigestKey(key);
      if (digest === undefined) {
        if (!isOwnFile(key) && modifiedMs >= sinceMs) total++;
        continue;
      }
      const { folder, jobId } = digest;
      chains.set(`${jobId}/${folder}`, { base: folder === '' ? '' : `${folder}/`, jobId });
    }
    onProgress({ total });
    return [...chains.values()];
  }

  async #verifyChain(chain: ChainName): Promise<void> {
    let first: DigestText | undefined;
    let last: DigestText | undefined;
    const counts = { digests: 0, gaps: 0, deadLetters: 0 };
    for await (const { text } of followChain(chain, { ...this.#options, report: this.report })) {
      first ??= text;
      last = text;
      counts.digests++;
      counts.gaps += text.gaps.length;
      counts.deadLetters += text.dead_letters.length;
      await this.#checkObjects(chain, text);
    }
    await this.#settle();
    if (first === undefined || last === undefined) return;
    for (const plan of last.open_plans) {
      const key = resolveName(chain, last, plan);
      if (key !== undefined) this.#planned.add(key);
    }
    this.#ends.push({ base: chain.base, toMs: Date.parse(last.to) });
    this.report.chains.push(describe(chain, first, last, counts));
    this.#checkEnd(chain, last);
  }

  /** All tasks end before an error of one of them is thrown. */
  async #settle(): Promise<void> {
    await this.#queue.onIdle();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #checkObjects(chain: ChainName, digest: DigestText): Promise<void> {
    for (const object of digest.objects) {
      const key = resolveName(chain, digest, object);
      if (key === undefined) {
        this.report.elsewhere++;
        continue;
      }
      this.#named.add(key);
      if (this.#failure !== undefined) throw this.#failure;
      await this.#queue.onSizeLessThan(CONCURRENCY);
      this.#queue
        .add(() => this.#checkObject(key, object, digest))
        .catch((error: unknown) => {
          this.#failure ??= error as Error;
        });
    }
  }

  async #checkObject(
    key: string,
    object: DigestText['objects'][number],
    { sequence, job_id: jobId }: DigestText,
  ): Promise<void> {
    const { report } = this;
    const says = `digest ${sequence} of job ${jobId} names it`;
    const state = await readPayload(this.#options.source, key, object);
    if (state === 'as written') {
      report.objects++;
      report.records += object.records;
    } else if (state === 'missing') {
      report.add('missing', key, `it is missing: ${says}, with ${object.records} records`);
    } else {
      report.add('changed', key, `it was changed: ${state.fault}; ${says}`);
    }
    this.#options.onProgress({ done: 1 });
  }

  #checkEnd({ base, jobId }: ChainName, last: DigestText): void {
    const { untilMs, isUntilGiven } = this.#options;
    const isOver = last.state !== 'enabled' && !isUntilGiven;
    const lateMs = LATE_INTERVALS * last.interval_seconds * 1000;
    if (isOver || Date.parse(last.to) >= untilMs - lateMs) return;
    this.report.add(
      'cut_off',
      `${base}_trailpush/digests/${jobId}/`,
      `the digests of job ${jobId} end at ${last.to}: later ones were removed, or never written; ` +
        '--until names the time up to which they should be there',
    );
  }

  /** A second look at all names, for those that no digest has named. */
  async #findForeign(): Promise<void> {
    const { source, sinceMs } = this.#options;
    for await (const { key, modifiedMs } of source.list('')) {
      if (parseDigestKey(key) !== undefined || isOwnFile(key) || modifiedMs < sinceMs) continue;
      if (this.#named.has(key)) continue;
      if (this.#planned.has(key) || modifiedMs >= this.#namedUntil(key)) {
        this.report.addPending(key);
      } else {
        this.report.add('foreign', key, 'no digest names it: it is not from trailpush');
      }
    }
  }

  /** What was written there later may be in a digest that is not made yet. */
  #namedUntil(key: string): number {
    const ends = this.#ends.filter(({ base }) => key.startsWith(base)).map(({ toMs }) => toMs);
    return Math.min(...ends) - CLOCK_SLACK_MS;
  }
}

/** Where the object lies below the verified place; undefined: not there. Copies of a place may have another root. */
function resolveName(
  { base }: ChainName,
  { places }: DigestText,
  { name, location }: { readonly name: string; readonly location?: string },
): string | undefined {
  const place = places.at(-1);
  if (place === undefined || (location ?? place.location) !== place.location) return undefined;
  const folder = place.folder === '' ? '' : `${place.folder}/`;
  if (name.startsWith(folder)) return `${base}${name.slice(folder.length)}`;
  // Before its path was changed within the bucket.
  return base.endsWith(folder) ? `${base.slice(0, base.length - folder.length)}${name}` : undefined;
}

function describe(
  { base, jobId }: ChainName,
  first: DigestText,
  last: DigestText,
  counts: { digests: number; gaps: number; deadLetters: number },
): VerifiedChain {
  return {
    ...{ jobId, accountId: last.account_id, folder: base.replace(/\/$/, ''), ...counts },
    ...{ from: first.from, to: last.to, state: last.state },
  };
}
