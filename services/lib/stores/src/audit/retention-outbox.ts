import { MAX_OUTBOX_ENTRIES, OutboxFullError } from '@trailpush/core';
import type { Transaction } from 'kysely';

import type { AuditTables } from './schema.ts';

/** Of one statement. */
const MAX_ROWS = 500;

/** @throws OutboxFullError when no more events may wait for the log */
export async function checkOutbox(transaction: Transaction<AuditTables>): Promise<void> {
  const { entries } = await transaction
    .selectFrom('audit_outbox')
    .select((eb) => eb.fn.countAll<number>().as('entries'))
    .executeTakeFirstOrThrow();
  if (entries < MAX_OUTBOX_ENTRIES) return;
  throw new OutboxFullError(
    `nothing was changed, as ${entries} audit events about retention wait for the log: see /readyz for what ails it`,
  );
}

/** Stores lines that go to the log, with what they tell of. */
export async function putInOutbox(
  transaction: Transaction<AuditTables>,
  lines: readonly string[],
  nowMs: number,
): Promise<void> {
  for (let at = 0; at < lines.length; at += MAX_ROWS) {
    await transaction
      .insertInto('audit_outbox')
      .values(
        lines
          .slice(at, at + MAX_ROWS)
          .map((line) => ({ line, created_at_ms: nowMs, leased_until_ms: 0 })),
      )
      .execute();
  }
}
