import { expect } from 'vitest';

import type { Item } from './audit-oracle.ts';

interface Answer {
  readonly status: number;
  readonly ids: readonly string[];
  readonly info: Record<string, unknown> | undefined;
  readonly body: { readonly errors: readonly { readonly message: string }[] };
}

interface World {
  /** Everything that is stored, newest first. */
  readonly all: readonly Item[];
  /** A day, as `since` and `before`. */
  readonly window: string;
  get(query: string): Promise<Answer>;
}

/** 400, naming the parameter. */
async function refuses(world: World, query: string, name: string): Promise<void> {
  const { status, body } = await world.get(query);
  expect(status).toBe(400);
  expect(body.errors[0]?.message).toContain(`query parameter '${name}'`);
}

/** The same as another query. */
async function equals(world: World, query: string, other: string): Promise<void> {
  const [answer, expected] = [await world.get(query), await world.get(other)];
  expect(answer.status).toBe(200);
  expect(answer.ids).toEqual(expected.ids);
}

async function isEmpty(world: World, query: string): Promise<void> {
  const { status, ids } = await world.get(query);
  expect({ status, ids }).toEqual({ status: 200, ids: [] });
}

/** Queries that no SDK sends, by the id of their case: what was decided where nothing is documented. */
export const rawCases: Readonly<Record<string, (world: World) => Promise<void>>> = {
  'raw.bad_cursor': (world) => refuses(world, `${world.window}&cursor=garbage`, 'cursor'),
  'raw.plus_is_space': (world) =>
    equals(
      world,
      `${world.window}&actor_token_name=Test+Token`,
      `${world.window}&actor_token_name=Test%20Token`,
    ),
  'raw.same_day': (world) => isEmpty(world, 'since=2024-10-30&before=2024-10-30'),
  'raw.duplicate_value': (world) =>
    equals(
      world,
      `${world.window}&action_type=create&action_type=create`,
      `${world.window}&action_type=create`,
    ),
  'raw.reversed_window': (world) => refuses(world, 'since=2024-10-31&before=2024-10-30', 'since'),
  'raw.cursor_other_filters': async (world) => {
    const { info } = await world.get(`${world.window}&limit=1`);
    const cursor = String(info?.['cursor']);
    expect(cursor).not.toBe('');
    await refuses(world, `${world.window}&actor_email=x&cursor=${cursor}`, 'cursor');
  },
  'raw.literal_at': (world) =>
    equals(
      world,
      `${world.window}&actor_email=alice@example.com`,
      `${world.window}&actor_email=alice%40example.com`,
    ),
  'raw.date_only_before': async (world) => {
    const { ids } = await world.get(`${world.window}&limit=1000`);
    const onDay = world.all.filter(({ action }) =>
      (action as { time: string }).time.startsWith('2024-10-30T'),
    );
    expect(ids).toEqual(onDay.map(({ id }) => id));
  },
  'raw.category_not': (world) =>
    refuses(world, `${world.window}&product_category.not=zerotrust`, 'product_category.not'),
  'raw.older_than_retention': (world) => isEmpty(world, 'since=2010-01-01&before=2010-02-01'),
  'raw.bracket_not': (world) =>
    refuses(world, `${world.window}&actor_email[not]=a%40x`, 'actor_email[not]'),
  'raw.limit_1001': (world) => refuses(world, `${world.window}&limit=1001`, 'limit'),
  'raw.ray_with_colo': (world) =>
    equals(
      world,
      `${world.window}&raw_cf_ray_id=8e8dd2156ef28414-FRA`,
      `${world.window}&raw_cf_ray_id=8e8dd2156ef28414`,
    ),
  'raw.both_ids': async (world) => {
    await isEmpty(world, `${world.window}&id=event-1&audit_log_id=event-2`);
    const id = 'f174be97-19b1-40d6-954d-70cd5fbd52db';
    const { ids } = await world.get(`${world.window}&id=${id}&audit_log_id=${id}`);
    expect(ids).toEqual([id]);
  },
  'raw.contradiction': (world) =>
    isEmpty(world, `${world.window}&action_type=create&action_type.not=create`),
  'raw.bracket_array': (world) =>
    refuses(world, `${world.window}&actor_email[]=a%40x`, 'actor_email[]'),
  'raw.status_not_int': (world) =>
    refuses(world, `${world.window}&raw_status_code=2xx`, 'raw_status_code'),
};
