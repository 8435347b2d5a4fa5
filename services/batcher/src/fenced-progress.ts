import type {
  ClaimedPartition,
  Clock,
  CursorRow,
  Gap,
  LastRead,
  Logger,
  NewDeadLetter,
  Plan,
  ProgressStore,
} from '@trailpush/core';
import { Gathering, LostPartitionError, StoreTurns } from './store-turns.ts';
import type { Standing } from './tracks.ts';

/**
 * Progress of one owned partition: one write at a time (or of several jobs), each fenced by our epoch and repeated until it
 * is confirmed. `rows` mirrors the stored cursor rows exactly, because nobody else may write them:
 * what a plan's `first` must be is read from here, inside the same turn that stores it. What a write changes in memory
 * is changed by its `apply`, inside the turn too, so that no write in between sees the one without the other.
 */
export class FencedProgress {
  readonly ownership: ClaimedPartition;
  readonly rows = new Map<number, CursorRow>();
  readonly #store: ProgressStore;
  readonly #clock: Clock;
  readonly #turns: StoreTurns;
  readonly #lettersFirst = () => this.#saveDeadLetters();
  readonly #inserts = new Gathering(this.#lettersFirst);
  readonly #confirms = new Gathering(async () => undefined);
  #liveFrom: number;
  #lastRead: LastRead | null;
  #deadLetters: NewDeadLetter[] = [];
  /** Added and not yet known to be durable. */
  #unsaved = 0;
  #deadLetterId = 0;

  constructor(options: {
    store: ProgressStore;
    ownership: ClaimedPartition;
    clock: Clock;
    logger: Logger;
    signal: AbortSignal;
  }) {
    this.#store = options.store;
    this.ownership = options.ownership;
    this.#liveFrom = options.ownership.liveFrom;
    this.#lastRead = options.ownership.lastRead;
    this.#clock = options.clock;
    this.#turns = new StoreTurns(options);
    for (const row of options.ownership.cursors) this.rows.set(row.jobId, row);
  }

  /** What all attached jobs without a row still owe, as stored. */
  get liveFrom(): number {
    return this.#liveFrom;
  }

  /** Dead letters with a larger id are not yet known. */
  get deadLetterId(): number {
    return this.#deadLetterId;
  }

  addDeadLetter(letter: NewDeadLetter): void {
    this.#deadLetters.push(letter);
    this.#unsaved++;
  }

  /** Resolves when every dead letter that was added is durable. */
  async flushDeadLetters(): Promise<void> {
    if (this.#unsaved > 0) await this.#turns.take(() => this.#saveDeadLetters());
  }

  /**
   * Stores the plan that `make` makes of its first offset: the job's tail as stored, or `fallback`
   * when the job has no row. `make` is called again with the next `choice` when the name is taken, and
   * may call it off. Undefined: called off, or the stored tail is another one: reload the job.
   */
  async insertPlan(
    jobId: number,
    tail: number | undefined,
    fallback: number,
    make: (first: number, choice: number) => Plan | undefined,
  ): Promise<Plan | undefined> {
    return this.#turns.takeTogether(this.#inserts, jobId, async () => {
      const first = tail ?? this.rows.get(jobId)?.cursor ?? fallback;
      for (let choice = 0; ; choice++) {
        const plan = make(first, choice);
        if (!plan) return undefined;
        const result = await this.#turns.repeat(() => this.#store.insertPlan(this.ownership, plan));
        if (result === 'stale') throw new LostPartitionError();
        if (result === 'conflict') return undefined;
        if (result === 'key_taken') continue;
        if (!this.rows.has(jobId)) this.rows.set(jobId, { jobId, cursor: first, detached: false });
        return plan;
      }
    });
  }

  /** Runs `look` while no write is under way, when `rows` and the store say the same. */
  async betweenWrites(look: () => void): Promise<void> {
    await this.#turns.take(async () => look());
  }

  /** `apply` gets the stored cursor after the plan was confirmed. False: reload the job. */
  async confirmPlan(plan: Plan, apply: (cursor: number) => void): Promise<boolean> {
    const { jobId, first } = plan;
    return this.#turns.takeTogether(this.#confirms, jobId, async () => {
      const ask = { jobId, first, confirmedAtMs: this.#clock.now() };
      const answer = await this.#turns.repeat(() => this.#store.confirmPlan(this.ownership, ask));
      if (answer.result === 'stale') throw new LostPartitionError();
      if (answer.result === 'conflict') return false;
      // Confirmed twice, its row may be gone by now: what is not stored must not be mirrored.
      if (this.rows.has(jobId)) this.#moveCursor(jobId, answer.cursor);
      apply(answer.cursor);
      return true;
    });
  }

  /** Undefined: reload the job. `key_taken` is answered by the next choice, as in `insertPlan`. */
  async replacePlan(make: (choice: number) => Plan): Promise<Plan | undefined> {
    return this.#turns.take(async () => {
      const stored = await this.#underFreeName(make, async (plan) => ({
        result: await this.#store.replacePlan(this.ownership, plan),
      }));
      return stored?.made;
    });
  }

  /** Stores where everybody stands; `look` is called inside the turn, when no other write is under way. */
  async pin(look: () => Standing): Promise<void> {
    await this.#turns.takeAfter(this.#lettersFirst, async () => {
      const { liveFrom, lastRead, cursors, idle } = look();
      const changed = cursors.filter(({ jobId, cursor, detached }) => {
        const stored = this.rows.get(jobId);
        return !stored || cursor > stored.cursor || detached !== stored.detached;
      });
      const idleJobIds = idle.filter((jobId) => this.rows.has(jobId));
      const isMoved = liveFrom !== this.#liveFrom || lastRead !== this.#lastRead;
      if (!isMoved && changed.length === 0 && idleJobIds.length === 0) return;
      const pin = { liveFrom, lastRead, cursors: changed, idleJobIds };
      const kept = await this.#turns.repeat(() => this.#store.pin(this.ownership, pin));
      if (!kept) throw new LostPartitionError();
      this.#liveFrom = liveFrom;
      this.#lastRead = lastRead;
      for (const row of changed) {
        const cursor = Math.max(row.cursor, this.rows.get(row.jobId)?.cursor ?? 0);
        this.rows.set(row.jobId, { ...row, cursor });
      }
      for (const jobId of idleJobIds) this.rows.delete(jobId);
    });
  }

  /** Stores that offsets were lost, and moves the job's cursor past them. */
  async recordGap(gap: Gap, apply: () => void): Promise<void> {
    await this.#turns.take(async () => {
      const kept = await this.#turns.repeat(() => this.#store.recordGap(this.ownership, gap));
      if (!kept) throw new LostPartitionError();
      const { jobId, to } = gap;
      const stored = this.rows.get(jobId);
      if (to > (stored?.cursor ?? this.#liveFrom)) {
        this.rows.set(jobId, { jobId, cursor: to, detached: stored?.detached ?? false });
      }
      apply();
    });
  }

  /**
   * Stores that the log lost the first part of a job's first open plan. `make` gives the plan for the
   * rest, under its `choice`-th name, or undefined when there is none; `apply` gets it, and the cursor.
   * False: reload the job.
   */
  async cutPlan(
    cut: { gap: Gap; make: (choice: number) => Plan | undefined },
    apply: (plan: Plan | undefined, cursor: number) => void,
  ): Promise<boolean> {
    return this.#turns.take(async () => {
      const { gap, make } = cut;
      const stored = await this.#underFreeName(make, (plan) =>
        this.#store.cutPlan(this.ownership, { gap, plan }),
      );
      if (stored?.answer.result !== 'cut') return false;
      const { cursor } = stored.answer;
      this.#moveCursor(gap.jobId, cursor);
      apply(stored.made, cursor);
      return true;
    });
  }

  /**
   * Puts the two plans that `make` gives, under their `choice`-th names, in the place of one; `apply` gets
   * them. False: reload the job.
   */
  async splitPlan(
    make: (choice: number) => readonly [Plan, Plan],
    apply: (parts: readonly [Plan, Plan]) => void,
  ): Promise<boolean> {
    return this.#turns.take(async () => {
      const stored = await this.#underFreeName(make, async (parts) => ({
        result: await this.#store.splitPlan(this.ownership, parts),
      }));
      if (stored) apply(stored.made);
      return stored !== undefined;
    });
  }

  /** The only record of a job's first open plan becomes its dead letter; `apply` gets the cursor. */
  async setAsidePlan(
    plan: Plan,
    letter: NewDeadLetter,
    apply: (cursor: number) => void,
  ): Promise<boolean> {
    return this.#turns.take(async () => {
      const answer = await this.#turns.repeat(() =>
        this.#store.setAsidePlan(this.ownership, plan, letter),
      );
      if (answer.result === 'stale') throw new LostPartitionError();
      if (answer.result !== 'set_aside') return false;
      this.#moveCursor(plan.jobId, answer.cursor);
      apply(answer.cursor);
      return true;
    });
  }

  /** `apply` gets the cursor row and the open plans of one job as stored. */
  async loadJob(
    jobId: number,
    apply: (row: CursorRow | undefined, plans: readonly Plan[]) => void,
  ): Promise<void> {
    await this.#turns.take(async () => {
      const loaded = await this.#turns.repeat(() => this.#store.loadJob(this.ownership, jobId));
      if (loaded.cursor) this.rows.set(jobId, loaded.cursor);
      else this.rows.delete(jobId);
      apply(loaded.cursor, loaded.plans);
    });
  }

  /** Offsets that a plan skips: those of its dead letters, as far as they were known when it was made. */
  async deadLettersOf({ first, last, deadLetterId }: Plan): Promise<ReadonlySet<number>> {
    return this.#deadLetterOffsets(first, last, deadLetterId);
  }

  /**
   * Offsets that were set aside before, also by earlier owners. They stay set aside, even if they could
   * be read by now: plans that are made from here on say so by their `deadLetterId`.
   */
  async setAsideIn(first: number, last: number): Promise<ReadonlySet<number>> {
    const offsets = await this.#deadLetterOffsets(first, last, Number.MAX_SAFE_INTEGER);
    if (offsets.size > 0) {
      const latest = await this.#turns.repeat(() => this.#store.saveDeadLetters([]));
      this.#deadLetterId = Math.max(this.#deadLetterId, latest);
    }
    return offsets;
  }

  async #deadLetterOffsets(
    first: number,
    last: number,
    maxId: number,
  ): Promise<ReadonlySet<number>> {
    if (last < first) return new Set();
    const { topic, partition } = this.ownership;
    const range = { topic, partition, first, last };
    return new Set(await this.#turns.repeat(() => this.#store.deadLetterOffsets(range, maxId)));
  }

  /** Resolves when no write is under way; after an abort there will be no other. */
  async settled(): Promise<void> {
    await this.#turns.settled();
  }

  /** What `make` gives under the first of its names that is free. Undefined: the stored plans are others. */
  async #underFreeName<Made, Answer extends { readonly result: string }>(
    make: (choice: number) => Made,
    store: (made: Made) => Promise<Answer>,
  ): Promise<{ made: Made; answer: Answer } | undefined> {
    for (let choice = 0; ; choice++) {
      const made = make(choice);
      const answer = await this.#turns.repeat(() => store(made));
      if (answer.result === 'stale') throw new LostPartitionError();
      if (answer.result === 'conflict') return undefined;
      if (answer.result !== 'key_taken') return { made, answer };
    }
  }

  /** What the store has done with a cursor. */
  #moveCursor(jobId: number, cursor: number): void {
    this.rows.set(jobId, { jobId, cursor, detached: this.rows.get(jobId)?.detached ?? false });
  }

  async #saveDeadLetters(): Promise<void> {
    const letters = this.#deadLetters;
    if (letters.length === 0) return;
    this.#deadLetters = [];
    const latest = await this.#turns.repeat(() => this.#store.saveDeadLetters(letters));
    this.#deadLetterId = Math.max(this.#deadLetterId, latest);
    this.#unsaved -= letters.length;
  }
}
