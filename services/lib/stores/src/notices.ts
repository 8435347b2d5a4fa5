import type { NoticeKind } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { Tables } from './schema.ts';

const DAY_MS = 86_400_000;

export interface NewNotice {
  readonly kind: NoticeKind;
  readonly jobId: number | null;
  readonly accountId: string | null;
  readonly message: string;
}

/** Keeps a notice, unless there was one of its kind for the job today. */
export async function insertNotice(
  transaction: Transaction<Tables>,
  { kind, jobId, accountId, message }: NewNotice,
  nowMs: number,
): Promise<void> {
  await transaction
    .insertInto('notices')
    .values({
      ...{ kind, job_id: jobId ?? 0, account_id: accountId, message },
      ...{ day: Math.floor(nowMs / DAY_MS), created_at_ms: nowMs, tries: 0, due_at_ms: nowMs },
    })
    .onConflict((conflict) => conflict.columns(['job_id', 'kind', 'day']).doNothing())
    .execute();
}
