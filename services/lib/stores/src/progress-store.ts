import {
  FIRST_PAGE,
  type ClaimedPartition,
  type Clock,
  type ConfirmPlanResult,
  type CutPlanResult,
  type DeadLetter,
  type Gap,
  type InsertPlanResult,
  type LedgerEntry,
  type NewDeadLetter,
  type Ownership,
  type Pin,
  type Plan,
  type PlanCut,
  type ProgressStore,
  type SetAsidePlanResult,
  type SplitPlanResult,
} from '@trailpush/core';

import type { Database } from './database.ts';
import { claimPartition } from './progress/claim.ts';
import { confirmPlans } from './progress/confirm-plan.ts';
import { cutPlan } from './progress/cut-plan.ts';
import { deadLetterOffsets, recordGap, saveDeadLetters } from './progress/losses.ts';
import { lockPartition } from './progress/ownership.ts';
import { pinPartition } from './progress/pin.ts';
import { checkPlan, insertPlans, replacePlan } from './progress/plans.ts';
import { planOf, readQueue } from './progress/queue.ts';
import { listDeadLetters, listGaps, listLedger } from './progress/reports.ts';
import { setAsidePlan } from './progress/set-aside-plan.ts';
import { splitPlan } from './progress/split-plan.ts';
import { Together } from './progress/together.ts';
import { settleReplay } from './replay-rows.ts';
import type { Tables } from './schema.ts';

/**
 * Progress in SQL. Every write locks its partition first, and jobs, plans and cursors after it, in this
 * order: two owners follow one another, and the second sees the first one's epoch.
 */
export class SqlProgressStore implements ProgressStore {
  readonly #database: Database<Tables>;
  readonly #clock: Clock;
  readonly #inserts: Together<Plan, InsertPlanResult>;
  readonly #confirms: Together<Parameters<ProgressStore['confirmPlan']>[1], ConfirmPlanResult>;

  constructor({ database, clock }: { database: Database<Tables>; clock: Clock }) {
    this.#database = database;
    this.#clock = clock;
    this.#inserts = new Together((ownership, plans) =>
      database.write((transaction) => insertPlans(transaction, ownership, plans)),
    );
    this.#confirms = new Together((ownership, plans) =>
      database.write((transaction) => confirmPlans(transaction, ownership, plans)),
    );
  }

  claim(request: Parameters<ProgressStore['claim']>[0]): Promise<ClaimedPartition> {
    return this.#database.write((transaction) => claimPartition(transaction, request));
  }

  pin(ownership: Ownership, pin: Pin): Promise<boolean> {
    return this.#database.write((transaction) => pinPartition(transaction, ownership, pin));
  }

  async insertPlan(ownership: Ownership, plan: Plan): Promise<InsertPlanResult> {
    checkPlan(ownership, plan);
    return this.#inserts.ask(ownership, plan);
  }

  confirmPlan(
    ownership: Ownership,
    plan: Parameters<ProgressStore['confirmPlan']>[1],
  ): Promise<ConfirmPlanResult> {
    return this.#confirms.ask(ownership, plan);
  }

  replacePlan(ownership: Ownership, plan: Plan): ReturnType<ProgressStore['replacePlan']> {
    return this.#database.write((transaction) => replacePlan(transaction, ownership, plan));
  }

  loadJob(ownership: Ownership, jobId: number): ReturnType<ProgressStore['loadJob']> {
    return this.#database.write(async (transaction) => {
      const partition = await lockPartition(transaction, ownership);
      if (partition === undefined) {
        throw new Error(`partition ${ownership.partition} of ${ownership.topic} was never claimed`);
      }
      const { cursor, plans } = await readQueue(transaction, ownership, jobId);
      return { cursor, plans: plans.map(planOf), liveFrom: partition.live_from };
    });
  }

  recordGap(ownership: Ownership, gap: Gap): Promise<boolean> {
    return this.#database.write((transaction) => recordGap(transaction, ownership, gap));
  }

  cutPlan(ownership: Ownership, cut: PlanCut): Promise<CutPlanResult> {
    return this.#database.write((transaction) => cutPlan(transaction, ownership, cut));
  }

  splitPlan(ownership: Ownership, parts: readonly [Plan, Plan]): Promise<SplitPlanResult> {
    return this.#database.write((transaction) => splitPlan(transaction, ownership, parts));
  }

  setAsidePlan(
    ownership: Ownership,
    plan: Parameters<ProgressStore['setAsidePlan']>[1],
    letter: NewDeadLetter,
  ): Promise<SetAsidePlanResult> {
    const atMs = this.#clock.now();
    return this.#database.write((transaction) =>
      setAsidePlan(transaction, ownership, plan, letter, atMs),
    );
  }

  saveDeadLetters(letters: readonly NewDeadLetter[]): Promise<number> {
    const seenAtMs = this.#clock.now();
    return this.#database.write((transaction) => saveDeadLetters(transaction, letters, seenAtMs));
  }

  deadLetterOffsets(
    range: Parameters<ProgressStore['deadLetterOffsets']>[0],
    maxId: number,
  ): Promise<readonly number[]> {
    return this.#database.read((database) => deadLetterOffsets(database, range, maxId));
  }

  listDeadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return this.#database.read((database) => listDeadLetters(database, limit));
  }

  listGaps(jobId: number, page = FIRST_PAGE): Promise<readonly Gap[]> {
    return this.#database.read((database) => listGaps(database, jobId, page));
  }

  listLedger(jobId: number, page = FIRST_PAGE): Promise<readonly LedgerEntry[]> {
    return this.#database.read((database) => listLedger(database, jobId, page));
  }

  settleReplay(replayId: number): Promise<boolean> {
    const nowMs = this.#clock.now();
    return this.#database.write((transaction) => settleReplay(transaction, { replayId, nowMs }));
  }

  async recordFailure(...[jobId, failure]: Parameters<ProgressStore['recordFailure']>) {
    const { atMs, message, isAttempt = false } = failure;
    const row = await this.#database.run((database) =>
      database
        .updateTable('jobs')
        .set({ last_error_ms: atMs, error_message: message })
        // One that was reported late does not count when something has passed since.
        .$if(isAttempt, (update) =>
          update.set((eb) => ({
            failing_since_ms: eb
              .case()
              .when('last_success_ms', '>', atMs)
              .then(eb.ref('failing_since_ms'))
              .else(eb.fn.coalesce('failing_since_ms', eb.cast<number>(eb.val(atMs), 'bigint')))
              .end(),
          })),
        )
        .where('id', '=', jobId)
        .returning('failing_since_ms')
        .executeTakeFirst(),
    );
    return row?.failing_since_ms ?? null;
  }
}
