import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { DAY_MICROS, put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let api: ApiFixture;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

async function ask(kind: 'account' | 'organization', id: string, query: string) {
  const url = `/client/v4/${kind}s/${id}/logs/audit?${query}`;
  const { status, body } = await api.send('GET', url);
  const { result_info: info } = body as unknown as {
    result_info?: { count: number; cursor: string; cursors: { after: string } };
  };
  const items = (body.result ?? []) as { readonly id: string }[];
  return { status, errors: body.errors, ids: items.map((item) => item.id), info };
}

describe.each(['account', 'organization'] as const)('the log of an %s, as ingested', (kind) => {
  const store = (id: string, ids: readonly string[], day = 0) =>
    put(
      api.audit,
      ids.map((name) =>
        auditEntry({
          ...{ tenant: { kind, id }, id: name, timeMicros: MAY_21_MICROS + day * DAY_MICROS },
          action_type: name.startsWith('c') ? 'create' : 'update',
        }),
      ),
    );

  it('has a next page for ever, and late events come on it', async () => {
    await store('acme', ['c1', 'u1', 'c2']);
    const first = await ask(kind, 'acme', 'order=ingested&limit=2');
    expect(first).toMatchObject({ status: 200, ids: ['c1', 'u1'], info: { count: 2 } });
    expect(first.info?.cursors.after).toBe(first.info?.cursor);
    const second = await ask(kind, 'acme', `order=ingested&cursor=${first.info!.cursor}`);
    expect(second.ids).toEqual(['c2']);
    const empty = await ask(kind, 'acme', `order=ingested&cursor=${second.info!.cursor}`);
    expect(empty).toMatchObject({ ids: [], info: { count: 0 } });
    expect(empty.info?.cursor).not.toBe('');
    await store('acme', ['late'], -30);
    const third = await ask(kind, 'acme', `order=ingested&cursor=${empty.info!.cursor}`);
    expect(third.ids).toEqual(['late']);
  });

  it('takes filters and bounds, and holds a cursor to them', async () => {
    await store('umbrella', ['c1', 'u1'], -3);
    await store('umbrella', ['c2', 'u2']);
    const filtered = 'order=ingested&action_type=create';
    expect((await ask(kind, 'umbrella', filtered)).ids).toEqual(['c1', 'c2']);
    expect((await ask(kind, 'umbrella', `${filtered}&since=2026-05-20`)).ids).toEqual(['c2']);
    expect((await ask(kind, 'umbrella', `${filtered}&before=2026-05-20`)).ids).toEqual(['c1']);
    const { info } = await ask(kind, 'umbrella', filtered);
    for (const other of ['order=ingested', `${filtered}&since=2026-05-20`]) {
      const refused = await ask(kind, 'umbrella', `${other}&cursor=${info!.cursor}`);
      expect(refused).toMatchObject({ status: 400 });
      expect(refused.errors[0]?.message).toContain("'cursor' is not one of this query");
    }
    const wide = 'since=1970-01-01&before=2200-01-01';
    const byTime = await ask(kind, 'umbrella', `${wide}&direction=asc&limit=1`);
    const query = `order=ingested&${wide}&cursor=${byTime.info!.cursor}`;
    expect(await ask(kind, 'umbrella', query)).toMatchObject({ status: 400 });
  });

  it.each([
    ['order=newest', "'order' must be one of time, ingested"],
    ['order=ingested&direction=desc', "'direction' must be asc, or left out"],
    ['order=ingested&since=2026-05-20&before=2026-05-19', "'since' is later than before"],
    ['order=time', "'since' is required"],
  ])('says what is wrong with %s', async (query, message) => {
    const answer = await ask(kind, 'acme', query);
    expect(answer.status).toBe(400);
    expect(answer.errors[0]?.message).toContain(message);
  });
});
