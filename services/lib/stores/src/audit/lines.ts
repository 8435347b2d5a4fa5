import {
  AUDIT_BODIES,
  type AuditPlace,
  type AuditQuery,
  type LineMember,
  type LineObject,
  type LineShape,
} from '@trailpush/core';
import { sql, type Kysely, type RawBuilder } from 'kysely';

import { numberRows } from '../number-rows.ts';
import type { AuditEngine } from './engine.ts';
import { monthOf, type Month } from './months.ts';
import type { AuditTables } from './schema.ts';

const BODIES: ReadonlySet<string> = new Set(AUDIT_BODIES);

/**
 * The lines of events, in the query's order, as the database writes them: one text a month, since rows of many
 * values cost us several times as much as the lines that they become. Texts are as the engine has encoded them.
 */
export async function readEventLines(
  database: Kysely<AuditTables>,
  engine: AuditEngine,
  of: {
    tenant: number;
    hits: readonly AuditPlace[];
    direction: AuditQuery['direction'];
    shape: LineShape;
  },
): Promise<string> {
  const months = new Map<Month, (readonly [number, number])[]>();
  for (const { timeMicros, sequence } of of.hits) {
    const month = monthOf(timeMicros);
    const places = months.get(month) ?? [];
    places.push([timeMicros, sequence]);
    months.set(month, places);
  }
  const line = sql`${objectOf(engine, of.shape.line)} || ${sql.lit('\n')}`;
  const way = of.direction === 'desc' ? sql`desc` : sql`asc`;
  let text = '';
  for (const [month, places] of months) {
    const wanted = numberRows(database, ['time_micros', 'sequence'], places);
    const { rows } = await sql<{ readonly lines: string | null }>`
      select string_agg(${line}, '' order by e.time_micros ${way}, e.sequence ${way}) as lines
      from ${engine.eventsAt(month, of.tenant, wanted)}
    `.execute(database);
    text += rows[0]?.lines ?? '';
  }
  return text;
}

/** Null for an object that is left out. */
function objectOf(
  engine: AuditEngine,
  { members, isOptional = false }: LineObject,
): RawBuilder<string> {
  const values = members.map(
    (member) => sql`${sql.lit(`${JSON.stringify(member[0])}:`)} || ${valueOf(engine, member)}`,
  );
  // Absent ones are null, which this passes over.
  const all = sql`concat_ws(',', ${sql.join(values)})`;
  return sql`'{' || ${isOptional ? sql`nullif(${all}, '')` : all} || '}'`;
}

function valueOf(engine: AuditEngine, [, value]: LineMember): RawBuilder<unknown> {
  if (typeof value === 'object') {
    return 'members' in value
      ? objectOf(engine, value)
      : sql`cast(${JSON.stringify(value.constant)} as text)`;
  }
  if (value === 'time') return engine.timeOf(sql`e.time_micros`);
  const column = sql.ref(`e.${value}`);
  if (value === 'raw_status_code') return sql`cast(${column} as text)`;
  return BODIES.has(value) ? column : engine.jsonOf(column);
}
