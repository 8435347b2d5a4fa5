import { createPublicKey } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DigestWriter, type DigestTarget } from '@trailpush/batcher';
import type { AttemptResult, Job, Plan } from '@trailpush/core';
import {
  digestBuilder,
  digestPlace,
  openEvidenceSource,
  parseDestination,
  putDigest,
  readDigest,
  type VerifyingKeys,
} from '@trailpush/destinations';
import { createMetrics } from '@trailpush/runtime';
import { DigestStores } from '@trailpush/test/kit/digest-stores.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { verifyPlace } from './verify.ts';

const INTERVAL_MS = 60_000;
const LOOK_MS = 15_000;
/** Leases and back-off are over by then. */
const PATIENCE_MS = 3_660_000;
const JOBS = 2;
const metrics = createMetrics();
const { logger } = createRecordingLogger();
const FAILED: AttemptResult = { verdict: { kind: 'retry' }, message: 'it is down' };

const commands = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('plan'), job: fc.nat(JOBS - 1) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('confirm'), index: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('rotate') }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('run'),
        intervals: fc.integer({ min: 1, max: 3 }),
        /** The process dies at this call, or with its last one. */
        steps: fc.nat(25),
        isDone: fc.boolean(),
        isDown: fc.boolean(),
      }),
    },
  ),
  { minLength: 4, maxLength: 16 },
);
type Command = typeof commands extends fc.Arbitrary<(infer One)[]> ? One : never;

/** Calls of one process, which dies at one of them: before it has an effect, or before its answer arrives. */
class Life {
  #left: number;
  readonly #isDone: boolean;
  #running = 0;

  constructor(steps: number, isDone: boolean) {
    this.#left = steps;
    this.#isDone = isDone;
  }

  async step<Result>(call: () => Promise<Result>): Promise<Result> {
    const left = this.#left--;
    if (left > 0 || (left === 0 && this.#isDone)) {
      this.#running++;
      const result = await call().finally(() => this.#running--);
      if (this.#left >= 0) return result;
    }
    return new Promise(() => undefined);
  }

  wrap<Port extends object>(port: Port): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>;
        return (...args: unknown[]) => this.step(() => method.apply(target, args));
      },
    });
  }

  end(): void {
    this.#left = -1;
  }

  /** Until it waits for nothing but the clock. */
  async idle(): Promise<void> {
    for (let turns = 0; turns < 3; turns = this.#running > 0 ? 0 : turns + 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

class History {
  readonly #world: DigestStores;
  readonly #jobs: readonly Job[];
  readonly #open: Plan[] = [];
  readonly confirmed: Plan[] = [];

  constructor(world: DigestStores, jobs: readonly Job[]) {
    this.#world = world;
    this.#jobs = jobs;
  }

  async apply(command: Command): Promise<void> {
    if (command.kind === 'rotate') await this.#world.stores.digestKeys.rotate();
    else if ('job' in command) this.#open.push(await this.#world.plan(this.#jobs[command.job]!));
    else if ('index' in command) await this.#confirm(command.index);
    else if ('steps' in command) {
      const { steps, isDone, isDown, intervals } = command;
      const life = new Life(steps, isDone);
      this.#startWriter(life, isDown);
      await this.#pass(life, intervals);
      life.end();
    }
  }

  /** Everything is delivered, and one process lives long enough. */
  async finish(): Promise<void> {
    while (this.#open.length > 0) await this.#confirm(0);
    await this.#world.clock.advance(PATIENCE_MS);
    const life = new Life(Infinity, true);
    const writer = this.#startWriter(life, false);
    await this.#pass(life, 4);
    await writer.stop();
  }

  async #confirm(index: number): Promise<void> {
    const [plan] = this.#open.splice(Math.min(index, this.#open.length - 1), 1);
    if (plan === undefined) return;
    const file = join(this.#world.policy.fileRoot, plan.key);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, gzipSync(plan.key));
    await this.#world.confirm(plan);
    this.confirmed.push(plan);
  }

  #startWriter(life: Life, isDown: boolean): DigestWriter {
    const { stores, clock, policy } = this.#world;
    const writer = new DigestWriter({
      ...{ digests: life.wrap(stores.digests), jobs: life.wrap(stores.jobs) },
      targetOf: ({ spec }) => {
        const parsed = parseDestination(spec.destinationConf.reveal(), policy);
        const put: DigestTarget['put'] = (digest, signal) =>
          life.step(async () =>
            isDown ? FAILED : putDigest(parsed, digest, { clock, logger }, signal),
          );
        return { place: digestPlace(parsed), isStore: true, put };
      },
      builderOf: (hasKeys) => digestBuilder({ intervalMs: INTERVAL_MS, hasKeys }),
      ...{ intervalMs: INTERVAL_MS, clock, logger, metrics: metrics.digests, random: () => 0.5 },
    });
    writer.start();
    return writer;
  }

  async #pass(life: Life, intervals: number): Promise<void> {
    for (let ms = 0; ms < intervals * INTERVAL_MS; ms += LOOK_MS) {
      await this.#world.clock.advance(LOOK_MS);
      await life.idle();
    }
  }
}

async function keysOf({ stores }: DigestStores): Promise<VerifyingKeys> {
  const keys = await stores.digestKeys.list();
  return new Map(
    keys.map(({ id, publicKey, retiredAtMs }) => [
      id,
      { key: createPublicKey(publicKey), retiredAtMs },
    ]),
  );
}

/** Judges what lies there: as the command does, and by counting. */
async function judge(world: DigestStores, confirmed: readonly Plan[]): Promise<void> {
  const { policy, clock } = world;
  const keys = await keysOf(world);
  const source = await openEvidenceSource(policy.fileRoot, { policy, logger });
  const report = await verifyPlace({
    ...{ source, keys, untilMs: clock.now(), isUntilGiven: true, sinceMs: -Infinity },
    ...{ jobIds: [], onProgress: () => undefined },
  });
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({ pendingCount: 0, elsewhere: 0, objects: confirmed.length });
  const named: string[] = [];
  for await (const { key } of source.list('files/_trailpush/')) {
    const chunks = (await source.read(key))!;
    const { text } = readDigest(Buffer.concat(await chunks.toArray()), keys);
    named.push(...text.objects.map(({ name }) => name));
  }
  expect(named.toSorted()).toEqual(confirmed.map(({ key }) => key).toSorted());
}

it('names every confirmed object in one digest of a whole chain, wherever processes die', async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const world = await DigestStores.open();
      try {
        const jobs = [];
        for (let n = 0; n < JOBS; n++) jobs.push(await world.newJob());
        const history = new History(world, jobs);
        for (const command of sequence) await history.apply(command);
        await history.finish();
        await judge(world, history.confirmed);
      } finally {
        await world.close();
      }
    }),
    { numRuns: 15 },
  );
}, 120_000);
