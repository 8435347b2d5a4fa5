import {
  QueryTooLargeError,
  wordsOf,
  type AuditCounting,
  type AuditField,
  type AuditFilter,
  type AuditStore,
  type Tenant,
} from '@trailpush/core';
import { systemClock as clock } from '@trailpush/runtime';

import { account } from '../kit/audit-entry.ts';
import { DAY_MICROS, END_MICROS, MONTHS_18_DAYS, type AuditWorld } from './audit-world.ts';

const QUERIES = 60;
/** Counts go through all of an account's events. */
const COUNTS = 10;

interface Question {
  readonly name: string;
  readonly rounds?: number;
  /** Makes what is asked, which does not count. Asking it resolves to the number of rows. */
  readonly prepare: () => () => Promise<number>;
}

interface Narrowed {
  readonly tenant: Tenant;
  readonly filters: readonly AuditFilter[];
  readonly words?: readonly string[];
}

const FIELDS: readonly AuditField[] = [
  ...(['account_name', 'action_result', 'action_type', 'actor_context', 'actor_email'] as const),
  ...(['actor_id', 'actor_ip_address', 'actor_token_id', 'actor_token_name'] as const),
  ...(['actor_type', 'id', 'raw_cf_ray_id', 'raw_method', 'raw_status_code', 'raw_uri'] as const),
  ...(['resource_id', 'resource_product', 'resource_scope', 'resource_type'] as const),
  ...(['zone_id', 'zone_name'] as const),
];

/** Asks all of them; a table. `onProgress` is told what comes next. */
export async function measureQuestions(
  store: AuditStore,
  world: AuditWorld,
  onProgress: (name: string) => void,
): Promise<string[][]> {
  const rows = [['query', 'p50 ms', 'p95 ms', 'max ms', 'rows']];
  for (const question of questionsOf(store, world)) {
    onProgress(question.name);
    rows.push([question.name, ...(await timesOf(question))]);
  }
  return rows;
}

async function timesOf({ prepare, rounds = QUERIES }: Question): Promise<string[]> {
  const took: number[] = [];
  let found = 0;
  for (let round = 0; round < rounds; round += 1) {
    const ask = prepare();
    const startedMs = clock.monotonic();
    try {
      found += await ask();
    } catch (error) {
      if (!(error instanceof QueryTooLargeError)) throw error;
      return ['gave up', `after ${(clock.monotonic() - startedMs).toFixed(0)} ms`, '', ''];
    }
    took.push(clock.monotonic() - startedMs);
  }
  took.sort((a, b) => a - b);
  const at = (share: number) => (took[Math.ceil(rounds * share) - 1] ?? 0).toFixed(1);
  return [at(0.5), at(0.95), at(1), (found / rounds).toFixed(0)];
}

function questionsOf(store: AuditStore, world: AuditWorld): Question[] {
  const page = (name: string, days: number, narrow: () => Narrowed, limit = 100): Question => ({
    name: `${name}, ${days} days`,
    prepare: () => {
      const query = {
        ...{ ...narrow(), direction: 'desc' as const, limit },
        ...{ sinceMicros: END_MICROS - days * DAY_MICROS, beforeMicros: END_MICROS * 2 },
      };
      return async () => (await store.query(query)).entries.length;
    },
  });
  const byField = (field: AuditField, days: number, isNegated = false) => {
    const name = isNegated ? `${field}.not` : field;
    return page(name, days, () => valueOf(world, field, days, isNegated));
  };
  const newest = () => ({ tenant: world.recent(90).tenant, filters: [] });
  const none = [{ field: 'action_type' as const, values: ['view'], isNegated: false }];
  return [
    page('newest page', 90, newest),
    page('newest page of 1000', 90, newest, 1000),
    ...FIELDS.map((field) => byField(field, 90)),
    ...(['action_type', 'actor_email', 'resource_product'] as const).map((field) =>
      byField(field, 90, true),
    ),
    page('action_type=view (there is none)', 90, () => ({ ...newest(), filters: none })),
    ...(['raw_cf_ray_id', 'resource_id', 'actor_email', 'id'] as const).map((field) =>
      byField(field, MONTHS_18_DAYS),
    ),
    page('search, a word that many have', 90, () => ({ ...newest(), words: ['zone'] })),
    page('search, an address', 90, () => searched(world, 90)),
    page('search, an address', MONTHS_18_DAYS, () => searched(world, MONTHS_18_DAYS)),
    ...countsOf(store, world),
    ...followingOf(store, world),
  ];
}

/** What a field of a random event has: who asks for something mostly asks for what is there. */
function valueOf(world: AuditWorld, field: AuditField, days: number, isNegated: boolean): Narrowed {
  const [section = '', member = ''] = /^([a-z]+?)_(.+)$/.exec(field)?.slice(1) ?? [];
  for (;;) {
    const { event, tenant } = world.recent(days);
    const whole = event as unknown as Record<string, Record<string, unknown> | null>;
    const value = field === 'id' ? event.id : whole[section]?.[member];
    if (typeof value !== 'string' && typeof value !== 'number') continue;
    if (value !== '') return { tenant, filters: [{ field, values: [value], isNegated }] };
  }
}

function searched(world: AuditWorld, days: number): Narrowed {
  const { tenant, filters } = valueOf(world, 'actor_email', days, false);
  return { tenant, filters: [], words: wordsOf(String(filters[0]?.values[0])) };
}

/** Of the largest account. */
function countsOf(store: AuditStore, world: AuditWorld): Question[] {
  const count = (name: string, days: number, of: Partial<AuditCounting>): Question => ({
    name: `count, ${name}, largest account, ${days} days`,
    rounds: COUNTS,
    prepare: () => async () => {
      const counted = await store.count({
        ...{ tenant: account(world.largest), filters: [], by: [], ...of },
        ...{ sinceMicros: END_MICROS - days * DAY_MICROS, beforeMicros: END_MICROS * 2 },
      });
      return counted.length;
    },
  });
  const failures = [{ field: 'action_result' as const, values: ['failure'], isNegated: false }];
  return [
    count('all', 90, {}),
    count('by action_type and day', 90, { by: ['action_type'], intervalMicros: DAY_MICROS }),
    count('failures by actor_email', 90, { by: ['actor_email'], filters: failures }),
    count('all', MONTHS_18_DAYS, {}),
    count('by actor_email', MONTHS_18_DAYS, { by: ['actor_email'] }),
    count('by day', MONTHS_18_DAYS, { intervalMicros: DAY_MICROS }),
  ];
}

/** What a collector asks that begins, one that is up to date, and one that wants little of all. */
function followingOf(store: AuditStore, world: AuditWorld): Question[] {
  const follow = (after: number, filters: readonly AuditFilter[] = []) =>
    store.follow({
      ...{ tenant: account(world.largest), after, sinceMicros: 0, beforeMicros: END_MICROS * 2 },
      ...{ limit: 1000, filters },
    });
  const failures = [{ field: 'action_result' as const, values: ['failure'], isNegated: false }];
  const collector = (name: string, filters: readonly AuditFilter[], after = 0): Question => ({
    name: `order=ingested, ${name}`,
    prepare: () => async () => {
      const { entries, next } = await follow(after, filters);
      after = next;
      return entries.length;
    },
  });
  return [
    collector('pages of 1000', []),
    collector('pages of 1000, failures', failures),
    collector('nothing new', [], Number.MAX_SAFE_INTEGER),
  ];
}
