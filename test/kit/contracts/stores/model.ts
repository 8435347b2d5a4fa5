import type { ClaimedPartition, Job, Pin } from '@trailpush/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { NaivePartition } from './naive-partition.ts';
import { cursorOf, newClaim, newJob, newName, planOf, type Suite } from './suite.ts';

const JOBS = 3;
const RUNS = 40;
const MAX_COMMANDS = 40;

const owner = fc.nat(1);
const job = fc.nat(JOBS - 1);
const commands = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('claim'), owner }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('insert'),
        owner,
        job,
        // Most plans begin where they should.
        shift: fc.constantFrom(0, 0, 0, 0, 1, -1),
        length: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('confirm'), owner, job, index: fc.nat(3) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('pin'),
        owner,
        live: fc.integer({ min: -3, max: 6 }),
        /** How far each cursor is from where it should be; null: not in this pin. */
        moves: fc.array(fc.option(fc.integer({ min: -3, max: 6 })), {
          minLength: JOBS,
          maxLength: JOBS,
        }),
        idle: fc.uniqueArray(job),
      }),
    },
  ),
  { maxLength: MAX_COMMANDS, size: 'max' },
);
type Command = typeof commands extends fc.Arbitrary<(infer One)[]> ? One : never;

/** Any sequence of calls by two owners has the results that a naive model has. */
export function modelContract(suite: Suite): void {
  describe('progress under any sequence of calls', () => {
    it('is what a naive model says, and no cursor passes an unconfirmed plan', async () => {
      await fc.assert(
        fc.asyncProperty(commands, async (sequence) => {
          const run = await Run.start(suite);
          for (const command of sequence) {
            await run.perform(command);
            await run.check(command);
          }
        }),
        { numRuns: RUNS },
      );
    });
  });
}

class Run {
  readonly #suite: Suite;
  readonly #topic = newName('topic');
  readonly #jobs: readonly Job[];
  readonly #model = new NaivePartition(JOBS);
  /** What each owner believes to hold. */
  readonly #held: ClaimedPartition[] = [];
  #cursors: number[] = Array<number>(JOBS).fill(0);

  private constructor(suite: Suite, jobs: readonly Job[]) {
    this.#suite = suite;
    this.#jobs = jobs;
  }

  static async start(suite: Suite): Promise<Run> {
    const jobs = [];
    for (let index = 0; index < JOBS; index += 1) jobs.push(await newJob(suite));
    const run = new Run(suite, jobs);
    await run.#claim(0);
    await run.#claim(1);
    return run;
  }

  async perform(command: Command): Promise<void> {
    const { progress } = this.#suite.stores();
    const held = this.#held[command.owner]!;
    if ('shift' in command) {
      const first = Math.max(0, this.#model.tail(command.job) + command.shift);
      const last = first + command.length - 1;
      const plan = planOf(this.#jobs[command.job]!, first, last);
      expect(await progress.insertPlan(held, plan)).toBe(
        this.#model.insert(held.epoch, command.job, first, last),
      );
    } else if ('index' in command) {
      const first = this.#model.firstOf(command.job, command.index);
      const jobId = this.#jobs[command.job]!.id;
      expect(await progress.confirmPlan(held, { jobId, first, confirmedAtMs: 1 })).toEqual(
        this.#model.confirm(held.epoch, command.job, first),
      );
    } else if ('moves' in command) {
      await this.#pin(held, command);
    } else {
      await this.#claim(command.owner);
    }
  }

  async #claim(index: number): Promise<void> {
    this.#held[index] = await newClaim(this.#suite, {
      topic: this.#topic,
      owner: `owner ${index}`,
    });
    expect(this.#held[index].epoch).toBe(this.#model.claim());
  }

  async #pin(
    held: ClaimedPartition,
    { live, moves, idle }: { live: number; moves: (number | null)[]; idle: number[] },
  ): Promise<void> {
    const cursors = moves.flatMap((move, index) =>
      move === null ? [] : [{ index, cursor: this.#model.pinnable(index, move) }],
    );
    const pin: Pin = {
      liveFrom: Math.max(0, this.#model.liveFrom + live),
      lastRead: null,
      cursors: cursors.map(({ index, cursor }) => cursorOf(this.#jobs[index]!, cursor)),
      idleJobIds: idle.map((index) => this.#jobs[index]!.id),
    };
    expect(await this.#suite.stores().progress.pin(held, pin)).toBe(
      this.#model.pin(held.epoch, pin.liveFrom, cursors, idle),
    );
  }

  /** What is stored about the jobs of a command is the model's, and obeys the protocol. */
  async check(command: Command): Promise<void> {
    for (const [index, job] of this.#jobs.entries()) {
      if ('job' in command && command.job !== index) continue;
      const stored = await this.#suite.stores().progress.loadJob(this.#held[0]!, job.id);
      const { first, last, confirmed, cursor } = {
        first: stored.plans.map((plan) => plan.first),
        last: stored.plans.map((plan) => plan.last),
        confirmed: stored.plans.map((plan) => plan.confirmed),
        cursor: stored.cursor?.cursor,
      };
      expect({ first, last, confirmed, cursor, liveFrom: stored.liveFrom }).toEqual(
        this.#model.stateOf(index),
      );
      const owed = cursor ?? stored.liveFrom;
      expect(owed).toBeGreaterThanOrEqual(this.#cursors[index]!);
      this.#cursors[index] = owed;
      expect(first).toEqual(first.length === 0 ? [] : [owed, ...last.slice(0, -1).map(next)]);
      expect(confirmed[0] ?? false).toBe(false);
      expect(owed).toBeLessThanOrEqual(this.#model.firstUnconfirmed(index));
    }
  }
}

function next(last: number): number {
  return last + 1;
}
