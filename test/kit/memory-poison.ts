import type {
  NewDeadLetter,
  Ownership,
  Plan,
  SetAsidePlanResult,
  SplitPlanResult,
} from '@trailpush/core';
import { type MemoryStores, type StoredPartition } from './memory-stores.ts';
import { isSamePlan, isSameRecord } from './memory-rows.ts';

/** What `MemoryProgress` does with plans that are refused. */
export function splitPlan(
  stores: MemoryStores,
  ownership: Ownership,
  parts: readonly [Plan, Plan],
): SplitPlanResult {
  const stored = stores.partition(ownership.topic, ownership.partition);
  if (stored?.epoch !== ownership.epoch) return 'stale';
  const [left, right] = parts;
  const plans = stored.plans.get(left.jobId) ?? [];
  const at = plans.findIndex(({ first }) => first === left.first);
  const [whole, next] = [plans[at], plans[at + 1]];
  if (!whole) return 'conflict';
  if (next && isSamePlan(whole, left) && isSamePlan(next, right)) return 'split';
  if (!isWhole(whole, parts)) return 'conflict';
  if (stores.isTaken(left, whole) || stores.isTaken(right, whole)) return 'key_taken';
  const isAll = left.records + right.records === whole.records;
  stores.mustHold(isAll, `plan ${whole.key} is split into other records than its own`);
  stored.plans.set(left.jobId, plans.toSpliced(at, 1, left, right));
  for (const part of parts) stores.notePlan(part);
  return 'split';
}

function isWhole(whole: Plan, [left, right]: readonly [Plan, Plan]): boolean {
  const isSameContent = (part: Plan) =>
    part.jobId === whole.jobId && part.contentRevision === whole.contentRevision;
  return (
    !whole.confirmed &&
    left.first <= left.last &&
    left.last + 1 === right.first &&
    right.first <= right.last &&
    right.last === whole.last &&
    isSameContent(left) &&
    isSameContent(right)
  );
}

export function setAsidePlan(
  stores: MemoryStores,
  ownership: Ownership,
  { jobId, first }: { jobId: number; first: number },
  letter: NewDeadLetter,
): SetAsidePlanResult {
  const stored = stores.partition(ownership.topic, ownership.partition);
  if (stored?.epoch !== ownership.epoch) return { result: 'stale' };
  const row = stored.cursors.get(jobId);
  if (!row) return { result: 'conflict' };
  const isKnown = stores.deadLetters.some((known) => isSameRecord(known, letter));
  if (row.cursor > first && isKnown) return { result: 'set_aside', cursor: row.cursor };
  const head = stored.plans.get(jobId)?.[0];
  if (head?.first !== first || head.confirmed || head.records !== 1) return { result: 'conflict' };
  const isIts = letter.jobId === jobId && letter.offset >= head.first && letter.offset <= head.last;
  stores.mustHold(isIts, `the record at ${letter.offset} is none of plan ${head.key}`);
  stores.saveDeadLetters([letter]);
  stores.endError(jobId);
  return { result: 'set_aside', cursor: dropHead(stores, ownership, stored, jobId) };
}

/** Drops a job's first open plan. Returns the cursor, behind it and the confirmed plans that come next. */
export function dropHead(
  stores: MemoryStores,
  { topic }: Ownership,
  stored: StoredPartition,
  jobId: number,
): number {
  const [head, ...next] = stored.plans.get(jobId) ?? [];
  if (!head) throw new Error(`job ${jobId} has no open plan`);
  const open = next.findIndex(({ confirmed }) => !confirmed);
  const popped = open < 0 ? next : next.slice(0, open);
  for (const done of popped) stores.toLedger(topic, done);
  const left = next.slice(popped.length);
  if (left.length > 0) stored.plans.set(jobId, left);
  else stored.plans.delete(jobId);
  const cursor = (popped.at(-1) ?? head).last + 1;
  const detached = stored.cursors.get(jobId)?.detached ?? false;
  stored.cursors.set(jobId, { jobId, cursor, detached });
  return cursor;
}
