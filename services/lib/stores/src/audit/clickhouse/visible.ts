import { StoreUnavailableError } from '@trailpush/core';
import type { Kysely, Selectable } from 'kysely';

import type { Database } from '../../database.ts';
import { monthOf, type Month } from '../months.ts';
import type { AuditTables } from '../schema.ts';
import { RemovedMeanwhileError } from '../whole-read.ts';
import type { StateTable } from './schema.ts';
import { ch, integer, integers, joined, type Statement } from './statement.ts';

/** How often a read begins anew because retention removed what it was about to read. */
const MAX_TRIES = 5;

/** Which rows of ClickHouse are events, at one moment. */
export interface Visible {
  readonly lastSequence: number;
  readonly removals: number;
  readonly clearings: number;
  readonly partitions: readonly { readonly number: number; readonly month: Month }[];
  readonly givenUp: readonly { readonly first: number; readonly last: number }[];
  readonly removed: readonly {
    readonly tenant: number;
    readonly partition: number;
    readonly up_to: number;
  }[];
}

/** @param tenants which of them removals matter of; all when undefined */
export async function readVisible(
  database: Kysely<AuditTables>,
  tenants?: readonly number[],
): Promise<Visible> {
  // First: with an older count, what the rest misses is noticed.
  const state = await readState(database);
  const [partitions, givenUp, removed] = await Promise.all([
    database.selectFrom('audit_partitions').select(['number', 'month']).execute(),
    database.selectFrom('audit_given_up').select(['first', 'last']).execute(),
    database
      .selectFrom('audit_removed')
      .selectAll()
      .$if(tenants !== undefined, (query) => query.where('tenant', 'in', tenants ?? []))
      .execute(),
  ]);
  const { last_sequence: lastSequence, removals, clearings } = state;
  return { lastSequence, removals, clearings, partitions, givenUp, removed };
}

function readState(
  database: Kysely<AuditTables>,
): Promise<Pick<Selectable<StateTable>, 'last_sequence' | 'removals' | 'clearings'>> {
  return database
    .selectFrom('audit_clickhouse')
    .select(['last_sequence', 'removals', 'clearings'])
    .executeTakeFirstOrThrow();
}

/**
 * A read of several statements that never shows a part of what retention removes meanwhile. What is deleted was found to be
 * removed before the count of clearings has grown: who sees it grow begins anew, who came later does not look for it.
 */
export async function readWholeVisible<Result>(
  database: Database<AuditTables>,
  tenant: number,
  read: (visible: Visible) => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    const visible = await database.read((kysely) => readVisible(kysely, [tenant]));
    const result = await read(visible).catch((error: unknown) => {
      if (error instanceof RemovedMeanwhileError) return error;
      throw error;
    });
    const { clearings } = await database.read(readState);
    if (clearings === visible.clearings && !(result instanceof RemovedMeanwhileError)) {
      return result;
    }
  }
  throw new StoreUnavailableError(
    'retention is removing the events that were asked for: ask again, or for a later range',
  );
}

/** The numbers of the partitions that a range of time (until exclusive) may have events in. */
export function partitionsWithin(
  { partitions }: Visible,
  range: { readonly fromMicros: number; readonly toMicros: number },
): number[] {
  const [first, last] = [monthOf(range.fromMicros), monthOf(range.toMicros - 1)];
  return partitions
    .filter(({ month }) => month >= first && month <= last)
    .map(({ number }) => number);
}

/** True for rows of these partitions that are events, in either table. */
export function isVisible(visible: Visible, partitions: readonly number[]): Statement {
  const { lastSequence, givenUp } = visible;
  const removed = visible.removed.filter(({ partition }) => partitions.includes(partition));
  const conditions = [
    ch`partition in ${integers(partitions)}`,
    ch`sequence <= ${integer(lastSequence)}`,
  ];
  if (givenUp.length > 0) {
    conditions.push(ch`not arrayExists((f, l) -> sequence between f and l,
      ${integers(givenUp.map(({ first }) => first))}, ${integers(givenUp.map(({ last }) => last))})`);
  }
  if (removed.length > 0) conditions.push(ch`not ${isRemoved(removed)}`);
  return joined(conditions, ' and ');
}

export function isRemoved(removed: Visible['removed']): Statement {
  return ch`arrayExists((t, p, u) -> tenant = t and partition = p and sequence <= u,
    ${integers(removed.map(({ tenant }) => tenant))},
    ${integers(removed.map(({ partition }) => partition))},
    ${integers(removed.map(({ up_to }) => up_to))})`;
}
