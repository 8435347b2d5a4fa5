import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret, type ClaimedPartition, type Job, type JobSpec, type Plan } from '@trailpush/core';
import { parseDestination, type DestinationPolicy } from '@trailpush/destinations';
import { openSqliteStores, type Stores } from '@trailpush/stores';
import { specOf } from './contracts/stores/suite.ts';
import { FakeClock } from './fake-clock.ts';
import { createRecordingLogger } from './recording-logger.ts';

const CONF = 'file://files';
/** More round trips than the making of one digest takes. */
const ROUND_TRIPS = 12;

/** Real stores with jobs whose deliveries a test makes up, on a clock that it turns. */
export class DigestStores {
  readonly clock: FakeClock;
  readonly folder: string;
  /** Lets jobs deliver to folders in here. */
  readonly policy: DestinationPolicy & { readonly fileRoot: string };
  readonly stores: Stores;
  readonly #claimed: ClaimedPartition;
  readonly #ends = new Map<number, number>();

  private constructor(folder: string, stores: Stores, claimed: ClaimedPartition, clock: FakeClock) {
    this.folder = folder;
    this.policy = { allowPrivate: [], fileRoot: join(folder, 'out') };
    this.stores = stores;
    this.#claimed = claimed;
    this.clock = clock;
  }

  static async open(): Promise<DigestStores> {
    const folder = await mkdtemp(join(tmpdir(), 'trailpush-digest-stores-'));
    await mkdir(join(folder, 'out'));
    const clock = new FakeClock();
    const { logger } = createRecordingLogger();
    const stores = await openSqliteStores({
      ...{ file: join(folder, 'state.db'), secretKey: randomBytes(32), clock, logger },
    });
    const claimed = await stores.progress.claim({
      ...{ topic: 't', partition: 0, owner: 'a', heldEpoch: undefined, logStart: 0 },
    });
    return new DigestStores(folder, stores, claimed, clock);
  }

  newJob(changes: Partial<JobSpec> = {}): Promise<Job> {
    const destinationConf = new Secret(CONF);
    return this.stores.jobs.create('acme', specOf({ destinationConf, ...changes }), undefined);
  }

  /** Stores the plan of the job's next object, whose payload is its own key. */
  async plan(job: Job): Promise<Plan> {
    const first = this.#ends.get(job.id) ?? 0;
    this.#ends.set(job.id, first + 5);
    const key = `files/object-${job.id}-${first}.log.gz`;
    const plan: Plan = {
      ...{ jobId: job.id, partition: 0, first, last: first + 4, contentRevision: 1 },
      ...{
        location: parseDestination(CONF, this.policy).location,
        key,
        idempotencyKey: key,
        encoderVersion: 1,
        records: 5,
      },
      payloadHash: createHash('sha256').update(key).digest('hex'),
      payloadBytes: Buffer.byteLength(key),
      ...{ minTimestampMs: 1, maxTimestampMs: 2, deadLetterId: 0, confirmed: false },
    };
    await this.stores.progress.insertPlan(this.#claimed, plan);
    return plan;
  }

  async confirm({ jobId, first }: Plan): Promise<void> {
    const confirmation = { jobId, first, confirmedAtMs: this.clock.now() };
    await this.stores.progress.confirmPlan(this.#claimed, confirmation);
  }

  async deliver(job: Job): Promise<Plan> {
    const plan = await this.plan(job);
    await this.confirm(plan);
    return plan;
  }

  /** Turns the clock on in steps, and lets whoever works on digests finish after each. */
  async pass(ms: number, stepMs = 60_000): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      await this.clock.advance(Math.min(left, stepMs));
      // The stores answer in order: after so many answers, others have had theirs.
      for (let n = 0; n < ROUND_TRIPS; n++) {
        await this.stores.digests.list('', 0, { limit: 1 });
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  async close(): Promise<void> {
    await this.stores.close();
    await rm(this.folder, { recursive: true });
  }
}
