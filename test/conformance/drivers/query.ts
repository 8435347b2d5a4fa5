import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { account, auditEntry, MAY_21_MICROS } from '@trailpush/test/kit/audit-entry.ts';
import { put } from '@trailpush/test/kit/contracts/audit-store/suite.ts';
import { expect } from 'vitest';

import { expand, type Case, type Drivers } from '../cases.ts';

const WINDOW = { since: '2026-05-20', before: '2026-05-22' };

/** One call in a world where accounts A and B have three events each. */
async function withEvents(use: (api: ApiFixture) => Promise<void>): Promise<void> {
  const api = await startApi();
  try {
    const ids = ['1', '2', '3'];
    const entries = ['A', 'B'].flatMap((name) =>
      ids.map((id, index) =>
        auditEntry({
          ...{ tenant: account(name), id: `${name}${id}` },
          timeMicros: MAY_21_MICROS + index,
        }),
      ),
    );
    await put(api.audit, entries);
    await use(api);
  } finally {
    await api.close();
  }
}

function urlOf(name: string, parameters: Readonly<Record<string, string>>): string {
  return `/client/v4/accounts/${name}/logs/audit?${new URLSearchParams(parameters).toString()}`;
}

/** `reject`: 400 or 414, naming the parameter. The rest describes what may be asked for. */
async function queryParameters({ input, expect: words }: Case): Promise<void> {
  const given = Object.entries(input as Record<string, unknown>).map(
    ([name, value]) => [name, expand(value)] as const,
  );
  await withEvents(async (api) => {
    const parameters = { ...WINDOW, ...Object.fromEntries(given) };
    const { status, body } = await api.send('GET', urlOf('A', parameters));
    if (String(words).startsWith('reject')) {
      expect([400, 414]).toContain(status);
      if (status === 400) expect(body.errors[0]?.message).toContain(given[0]?.[0]);
    } else {
      // A window of 25 years is a page like any other.
      expect(status).toBe(200);
      expect(body.result).toHaveLength(3);
    }
  });
}

/** Another tenant's events are out of reach. */
const otherAccounts: Readonly<Record<string, (api: ApiFixture) => Promise<void>>> = {
  'authorisation-tenancy-04': async (api) => {
    const permissions = ['Audit Logs Read'] as const;
    const token = await api.createToken({ accountIds: ['A'], permissions });
    const ask = async (name: string, parameters: object) => {
      const headers = { authorization: `Bearer ${token}` };
      const url = urlOf(name, { ...WINDOW, ...parameters });
      const { statusCode, body } = await api.app.inject({ method: 'GET', url, headers });
      return { status: statusCode, body };
    };
    const own = await ask('A', {});
    expect(own.status).toBe(200);
    expect(own.body).not.toContain('"B');
    // Not ignored either: whoever writes it believes that it does something.
    expect((await ask('A', { account_id: 'B' })).status).toBe(400);
    expect((await ask('B', {})).status).toBe(403);
  },
  'authorisation-tenancy-06': async (api) => {
    const first = await api.send('GET', urlOf('A', { ...WINDOW, limit: '1' }));
    const { cursor } = (first.body as unknown as { result_info: { cursor: string } }).result_info;
    const bytes = Buffer.from(cursor, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const text = flipped.toString('base64url');
      const { status } = await api.send('GET', urlOf('A', { ...WINDOW, cursor: text }));
      expect(status).toBe(400);
    }
    // And of another account, or with other filters.
    for (const [name, more] of [
      ['B', {}],
      ['A', { action_type: 'create' }],
    ] as const) {
      const { status } = await api.send('GET', urlOf(name, { ...WINDOW, cursor, ...more }));
      expect(status).toBe(400);
    }
    const next = await api.send('GET', urlOf('A', { ...WINDOW, cursor }));
    expect(next.body.result).toHaveLength(2);
  },
  'authorisation-tenancy-07': async (api) => {
    const { status } = await api.send('GET', urlOf('A%2F..%2FB', WINDOW));
    expect(status).toBe(404);
  },
  'authorisation-tenancy-09': async (api) => {
    const permissions = ['Audit Logs Read'] as const;
    const token = await api.createToken({ accountIds: ['A'], permissions });
    const headers = { authorization: `Bearer ${token}` };
    const url = urlOf('../accounts/B', WINDOW);
    const { statusCode } = await api.app.inject({ method: 'GET', url, headers });
    // Whoever takes the dots away has asked for B by its name.
    expect([403, 404]).toContain(statusCode);
  },
};

/** Cases about queries of the audit log. */
export const drivers: Drivers = {
  badInputs: {
    'query-parameters': queryParameters,
    ...Object.fromEntries(
      Object.entries(otherAccounts).map(([id, run]) => [id, () => withEvents(run)]),
    ),
  },
};
