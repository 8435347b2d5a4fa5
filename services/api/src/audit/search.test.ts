import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const WINDOW = 'since=2026-05-20&before=2026-05-23';

describe('search', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
    const texts = ['Add Member', 'Remove member', 'Änderung der Zone', 'Add rule'];
    const entries = texts.map((action_description, index) => ({
      ...{ action_description, id: String(index), timeMicros: MAY_21_MICROS - index },
    }));
    for (const tenant of [account('acme'), { kind: 'organization' as const, id: 'org' }]) {
      await put(
        api.audit,
        entries.map((facts) => auditEntry({ tenant, ...facts })),
      );
    }
  });
  afterAll(() => api.close());

  const ask = async (search: string, path = '/accounts/acme') => {
    const answer = await api.send('GET', `/client/v4${path}/logs/audit?${WINDOW}&${search}`);
    const { result, result_info: info } = answer.body as {
      result: { id: string }[] | null;
      result_info?: { cursor: string };
    };
    const message = answer.body.errors[0]?.message ?? '';
    return { ids: result?.map(({ id }) => id), status: answer.status, message, info };
  };

  it.each([
    ['search=member', ['0', '1']],
    ['search=ADD%20mem', ['0']],
    ['search=%C3%A4nderung', ['2']],
    ['search=add&id=3', ['3']],
    ['search=nothing', []],
  ])('%s finds what has all words', async (search, ids) => {
    expect((await ask(search)).ids).toEqual(ids);
    expect((await ask(search, '/organizations/org')).ids).toEqual(ids);
  });

  it('belongs to the cursor', async () => {
    const { ids, info } = await ask('search=add&limit=1');
    expect(ids).toEqual(['0']);
    const cursor = info?.cursor ?? '';
    expect((await ask(`search=add&cursor=${cursor}`)).ids).toEqual(['3']);
    expect((await ask(`search=member&cursor=${cursor}`)).message).toContain("'cursor'");
    expect((await ask(`cursor=${cursor}`)).status).toBe(400);
  });

  it.each([
    ['search=', "query parameter 'search' must hold at least one letter or digit"],
    ['search=%2F-', "query parameter 'search' must hold at least one letter or digit"],
    ['search=a&search=b', "query parameter 'search' is given more than once"],
    [`search=${'a'.repeat(257)}`, "query parameter 'search' may have 256 characters, and has 257"],
    ['search=a.b.c.d.e.f.g.h.i.j.k', "query parameter 'search' may have 10 different words"],
  ])('%s is refused', async (search, message) => {
    const answer = await ask(search);
    expect(answer.status).toBe(400);
    expect(answer.message).toContain(message);
  });
});
