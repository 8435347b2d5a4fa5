import {
  FIRST_PAGE,
  type ClaimedPartition,
  type ConfirmPlanResult,
  type CursorRow,
  type CutPlanResult,
  type DeadLetter,
  type Gap,
  type InsertPlanResult,
  type LedgerEntry,
  type NewDeadLetter,
  type Ownership,
  type Page,
  type Pin,
  type Plan,
  type PlanCut,
  type ProgressStore,
  type SetAsidePlanResult,
  type SplitPlanResult,
} from '@trailpush/core';
import { MAX_OPEN_PLANS, type MemoryStores, type StoredPartition } from './memory-stores.ts';
import { isSamePlan, isSameRange } from './memory-rows.ts';
import { dropHead, setAsidePlan, splitPlan } from './memory-poison.ts';
import { settleReplay } from './memory-replays.ts';
import type { StoreFaults } from './store-faults.ts';

/** Progress of one process, strictly after the doc comments of `ProgressStore`. */
export class MemoryProgress implements ProgressStore {
  readonly #stores: MemoryStores;
  readonly #faults: StoreFaults;

  constructor(stores: MemoryStores, faults: StoreFaults) {
    this.#stores = stores;
    this.#faults = faults;
  }

  claim(request: Parameters<ProgressStore['claim']>[0]): Promise<ClaimedPartition> {
    return this.#faults.pass('claim', () => {
      const { topic, partition, owner, heldEpoch, logStart } = request;
      const stored = this.#stores.makePartition(topic, partition, logStart);
      const kept = stored.owner === owner && stored.epoch === heldEpoch;
      if (!kept) {
        stored.epoch++;
        stored.owner = owner;
      }
      const { epoch, liveFrom, lastRead } = stored;
      return {
        topic,
        partition,
        epoch,
        kept,
        liveFrom,
        lastRead,
        incarnation: this.#stores.incarnations.get(topic) ?? 1,
        cursors: [...stored.cursors.values()].toSorted((a, b) => a.jobId - b.jobId),
        plans: [...stored.plans.values()]
          .flat()
          .toSorted((a, b) => a.jobId - b.jobId || a.first - b.first),
      };
    });
  }

  pin(ownership: Ownership, pin: Pin): Promise<boolean> {
    return this.#faults.pass('pin', () => {
      const stored = this.#owned(ownership);
      if (!stored) return false;
      const liveFrom = Math.max(stored.liveFrom, pin.liveFrom);
      this.#mustHold(liveFrom === pin.liveFrom, `live_from would go back to ${pin.liveFrom}`);
      for (const row of pin.cursors) {
        if (this.#stores.jobs.has(row.jobId)) this.#pinCursor(stored, row);
      }
      for (const jobId of pin.idleJobIds) this.#dropIdle(stored, jobId, liveFrom);
      stored.liveFrom = liveFrom;
      if (pin.lastRead && pin.lastRead.offset >= (stored.lastRead?.offset ?? 0)) {
        stored.lastRead = pin.lastRead;
      }
      return true;
    });
  }

  insertPlan(ownership: Ownership, plan: Plan): Promise<InsertPlanResult> {
    return this.#faults.pass('insertPlan', () => {
      const stored = this.#owned(ownership);
      if (!stored) return 'stale';
      if (!this.#stores.jobs.has(plan.jobId)) return 'conflict';
      const plans = stored.plans.get(plan.jobId) ?? [];
      const same = plans.find(({ first }) => first === plan.first);
      if (same) return isSamePlan(same, plan) ? 'inserted' : 'conflict';
      const row = stored.cursors.get(plan.jobId);
      const last = plans.at(-1);
      const tail = last ? last.last + 1 : row?.cursor;
      if (tail === undefined ? plan.first < stored.liveFrom : plan.first !== tail)
        return 'conflict';
      if (this.#stores.isTaken(plan)) return 'key_taken';
      this.#mustHold(plan.last >= plan.first, `plan ${plan.key} ends before it begins`);
      const isFew = plans.length < MAX_OPEN_PLANS;
      this.#mustHold(isFew, `job ${plan.jobId} has more than ${MAX_OPEN_PLANS} open plans`);
      stored.plans.set(plan.jobId, [...plans, plan]);
      this.#stores.notePlan(plan);
      if (!row) {
        const { jobId, first } = plan;
        stored.cursors.set(jobId, { jobId, cursor: first, detached: false });
      }
      return 'inserted';
    });
  }

  confirmPlan(
    ownership: Ownership,
    { jobId, first, confirmedAtMs }: { jobId: number; first: number; confirmedAtMs: number },
  ): Promise<ConfirmPlanResult> {
    return this.#faults.pass('confirmPlan', () => {
      const stored = this.#owned(ownership);
      if (!stored) return { result: 'stale' };
      const row = stored.cursors.get(jobId);
      const plans = stored.plans.get(jobId) ?? [];
      const place = plans.findIndex((plan) => plan.first === first);
      const plan = plans[place];
      if (!this.#stores.jobs.has(jobId)) return { result: 'conflict' };
      if (!plan) {
        const done = this.#stores.ledger.some((entry) => isEntryOf(entry, ownership, jobId, first));
        return done
          ? { result: 'confirmed', cursor: row?.cursor ?? stored.liveFrom }
          : { result: 'conflict' };
      }
      if (!row || row.cursor !== plans[0]?.first) return { result: 'conflict' };
      this.#stores.watcher.confirmed?.(plan);
      const done = plan.confirmed ? plan : { ...plan, confirmed: true };
      if (!plan.confirmed) this.#stores.confirmedAt.set(done, confirmedAtMs);
      const marked = plans.with(place, done);
      const open = marked.findIndex(({ confirmed }) => !confirmed);
      const popped = open < 0 ? marked : marked.slice(0, open);
      const rest = marked.slice(popped.length);
      if (rest.length > 0) stored.plans.set(jobId, rest);
      else stored.plans.delete(jobId);
      for (const head of popped) this.#stores.toLedger(ownership.topic, head);
      const cursor = (popped.at(-1)?.last ?? row.cursor - 1) + 1;
      stored.cursors.set(jobId, { ...row, cursor });
      this.#stores.endError(jobId);
      return { result: 'confirmed', cursor };
    });
  }

  replacePlan(ownership: Ownership, plan: Plan): ReturnType<ProgressStore['replacePlan']> {
    return this.#faults.pass('replacePlan', () => {
      const stored = this.#owned(ownership);
      if (!stored) return 'stale';
      const plans = stored.plans.get(plan.jobId) ?? [];
      const place = plans.findIndex(({ first }) => first === plan.first);
      const known = plans[place];
      if (!known || known.confirmed || !isSameRange(known, plan)) return 'conflict';
      if (this.#stores.isTaken(plan)) return 'key_taken';
      stored.plans.set(plan.jobId, plans.with(place, plan));
      this.#stores.notePlan(plan);
      return 'replaced';
    });
  }

  loadJob(ownership: Ownership, jobId: number): ReturnType<ProgressStore['loadJob']> {
    return this.#faults.pass('loadJob', () => {
      const { topic, partition } = ownership;
      const stored = this.#stores.partition(topic, partition);
      return {
        cursor: stored?.cursors.get(jobId),
        plans: stored?.plans.get(jobId) ?? [],
        liveFrom: stored?.liveFrom ?? 0,
      };
    });
  }

  recordGap(ownership: Ownership, gap: Gap): Promise<boolean> {
    return this.#faults.pass('recordGap', () => {
      const stored = this.#owned(ownership);
      if (!stored) return false;
      if (!this.#stores.jobs.has(gap.jobId)) return true;
      if (stored.plans.has(gap.jobId)) {
        this.#mustHold(false, `job ${gap.jobId} has open plans below the gap at ${gap.from}`);
        throw new Error(`job ${gap.jobId} has open plans`);
      }
      if (!this.#stores.gaps.some((known) => isSameGap(known, gap))) this.#stores.noteGap(gap);
      const row = stored.cursors.get(gap.jobId);
      if (gap.to <= (row?.cursor ?? stored.liveFrom)) return true;
      const { jobId, to: cursor } = gap;
      stored.cursors.set(jobId, { jobId, cursor, detached: row?.detached ?? false });
      return true;
    });
  }

  cutPlan(ownership: Ownership, { gap, plan }: PlanCut): Promise<CutPlanResult> {
    return this.#faults.pass('cutPlan', () => {
      const stored = this.#owned(ownership);
      if (!stored) return { result: 'stale' };
      const { jobId } = gap;
      const [head, ...next] = stored.plans.get(jobId) ?? [];
      if (!head || head.first !== gap.from || head.confirmed) return { result: 'conflict' };
      if (gap.to <= gap.from || gap.to > head.last + 1) return { result: 'conflict' };
      if (plan) {
        const isRest = plan.first === gap.to && plan.first <= plan.last && isSameRange(head, plan);
        if (!isRest) return { result: 'conflict' };
        if (this.#stores.isTaken(plan, head)) return { result: 'key_taken' };
        this.#stores.notePlan(plan);
      }
      this.#stores.noteGap(gap);
      const { partition } = ownership;
      this.#stores.cuts.push({ jobId, partition, first: head.first, last: head.last });
      if (!plan) return { result: 'cut', cursor: dropHead(this.#stores, ownership, stored, jobId) };
      stored.plans.set(jobId, [plan, ...next]);
      const detached = stored.cursors.get(jobId)?.detached ?? false;
      stored.cursors.set(jobId, { jobId, cursor: plan.first, detached });
      return { result: 'cut', cursor: plan.first };
    });
  }

  splitPlan(ownership: Ownership, parts: readonly [Plan, Plan]): Promise<SplitPlanResult> {
    return this.#faults.pass('splitPlan', () => splitPlan(this.#stores, ownership, parts));
  }

  setAsidePlan(
    ownership: Ownership,
    plan: { jobId: number; first: number },
    letter: NewDeadLetter,
  ): Promise<SetAsidePlanResult> {
    return this.#faults.pass('setAsidePlan', () =>
      setAsidePlan(this.#stores, ownership, plan, letter),
    );
  }

  saveDeadLetters(letters: readonly NewDeadLetter[]): Promise<number> {
    return this.#faults.pass('saveDeadLetters', () => this.#stores.saveDeadLetters(letters));
  }

  deadLetterOffsets(
    range: { topic: string; partition: number; first: number; last: number },
    maxId: number,
  ): Promise<readonly number[]> {
    return this.#faults.pass('deadLetterOffsets', () =>
      this.#stores.deadLetters
        .filter(({ topic, partition }) => topic === range.topic && partition === range.partition)
        .filter(({ offset, id }) => offset >= range.first && offset <= range.last && id <= maxId)
        .filter(({ jobId }) => jobId === null)
        .map(({ offset }) => offset)
        .toSorted((a, b) => a - b),
    );
  }

  listDeadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return this.#faults.pass('listDeadLetters', () =>
      this.#stores.deadLetters.slice(-limit).toReversed(),
    );
  }

  listGaps(jobId: number, page = FIRST_PAGE): Promise<readonly Gap[]> {
    return this.#faults.pass('listGaps', () =>
      pageOf(
        this.#stores.gaps.filter((gap) => gap.jobId === jobId),
        page,
      ),
    );
  }

  listLedger(jobId: number, page = FIRST_PAGE): Promise<readonly LedgerEntry[]> {
    return this.#faults.pass('listLedger', () =>
      pageOf(
        this.#stores.ledger.filter((entry) => entry.jobId === jobId),
        page,
      ),
    );
  }

  settleReplay(replayId: number): Promise<boolean> {
    return this.#faults.pass('settleReplay', () => settleReplay(this.#stores, replayId));
  }

  recordFailure(...[jobId, failure]: Parameters<ProgressStore['recordFailure']>) {
    return this.#faults.pass('recordFailure', () => {
      const { atMs, message, isAttempt = false } = failure;
      const { failingSince } = this.#stores.health;
      this.#stores.setStatus(jobId, { lastErrorMs: atMs, errorMessage: message });
      if (isAttempt && !failingSince.has(jobId)) failingSince.set(jobId, atMs);
      return failingSince.get(jobId) ?? null;
    });
  }

  #owned({ topic, partition, epoch }: Ownership): StoredPartition | undefined {
    const stored = this.#stores.partition(topic, partition);
    return stored?.epoch === epoch ? stored : undefined;
  }

  #mustHold(holds: boolean, rule: string): void {
    this.#stores.mustHold(holds, rule);
  }

  #pinCursor(stored: StoredPartition, row: CursorRow): void {
    const { jobId } = row;
    const known = stored.cursors.get(jobId);
    const head = stored.plans.get(jobId)?.[0];
    const isPlanned = head !== undefined && row.cursor > head.first;
    this.#mustHold(
      !isPlanned,
      `job ${jobId}: a pin at ${row.cursor} passes the plan at ${head?.first}`,
    );
    // Without a row the job owes from `live_from` on.
    const isBack = !known && row.cursor < stored.liveFrom;
    this.#mustHold(!isBack, `job ${jobId}: a new cursor ${row.cursor} lies below live_from`);
    const cursor = isPlanned ? head.first : Math.max(known?.cursor ?? 0, row.cursor);
    stored.cursors.set(jobId, { ...row, cursor });
  }

  #dropIdle(stored: StoredPartition, jobId: number, liveFrom: number): void {
    const row = stored.cursors.get(jobId);
    if (!row) return;
    const isIdle = !stored.plans.has(jobId) && row.cursor <= liveFrom;
    this.#mustHold(isIdle, `job ${jobId} at ${row.cursor} is called idle below ${liveFrom}`);
    if (isIdle) stored.cursors.delete(jobId);
  }
}

function isEntryOf(entry: LedgerEntry, at: Ownership, jobId: number, first: number): boolean {
  return (
    entry.jobId === jobId &&
    entry.topic === at.topic &&
    entry.partition === at.partition &&
    entry.first === first
  );
}

function isSameGap(stored: Gap, gap: Gap): boolean {
  return (
    stored.jobId === gap.jobId && stored.partition === gap.partition && stored.from === gap.from
  );
}

function pageOf<Row>(rows: readonly Row[], { limit, offset }: Page): readonly Row[] {
  return rows.slice(offset, offset + limit);
}
