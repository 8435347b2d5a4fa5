import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { relayedLines } from '@trailpush/test/kit/lines-in-log.ts';
import { systemClock } from '@trailpush/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TokenAdmin } from './token-admin.ts';

const ORDER = { name: 'ci', permissions: ['Logs Write'], account_ids: ['acme', 'other'] };
const JOB = {
  dataset: 'audit_logs_v2',
  destination_conf: 'https://logs.example.com/in?header_X=s',
};

let api: ApiFixture;
beforeEach(async () => {
  api = await startApi({ relays: true });
});
afterEach(() => api.close());

describe('a token', () => {
  it('leaves an event in each of its accounts when it is made and revoked, and shows none to another', async () => {
    const { id, value } = (await api.send('POST', '/admin/v1/tokens', ORDER)).body.result as {
      id: string;
      value: string;
    };
    await api.send('DELETE', `/admin/v1/tokens/${id}`);
    await api.send('DELETE', `/admin/v1/tokens/${id}`);
    const lines = await relayedLines(api, 4);
    expect(lines.map((line) => [line['AccountID'], line['ActionDescription']])).toEqual(
      expect.arrayContaining([
        ['acme', 'Create API token'],
        ['other', 'Create API token'],
        ['acme', 'Revoke API token'],
        ['other', 'Revoke API token'],
      ]),
    );
    const of = lines.filter(({ AccountID }) => AccountID === 'acme');
    expect(of).toMatchObject([
      {
        ActionType: 'create',
        ActorType: 'cloudflare_admin',
        ActorTokenDetails: { token_id: 'admin' },
        Raw: { method: 'POST', status_code: 201, uri: '/admin/v1/tokens' },
        ResourceID: id,
        ResourceProduct: 'tokens',
        ResourceResponse: { id, name: 'ci', account_ids: ['acme'], status: 'active' },
        ResourceScope: 'accounts',
        ResourceType: 'token',
      },
      { ActionType: 'delete', ResourceResponse: { account_ids: ['acme'], status: 'revoked' } },
    ]);
    expect(JSON.stringify(of)).not.toContain('other');
    expect(JSON.stringify(lines)).not.toContain(value);
    expect(new Set(lines.map(({ AuditLogID }) => AuditLogID)).size).toBe(4);
  });

  it('for all accounts is an event of the operator', async () => {
    await api.send('POST', '/admin/v1/tokens', { ...ORDER, account_ids: null });
    expect(await relayedLines(api, 1)).toMatchObject([
      { AccountID: '', ResourceScope: 'organizations' },
    ]);
  });

  it('that is refused leaves no event', async () => {
    expect((await api.send('POST', '/admin/v1/tokens', { ...ORDER, permissions: [] })).status).toBe(
      400,
    );
    expect((await api.send('DELETE', '/admin/v1/tokens/nobody')).status).toBe(404);
    expect(await api.stores.outbox.count()).toBe(0);
  });

  it('made at the console leaves an event that waits for the program', async () => {
    await new TokenAdmin(api.stores.tokens, systemClock).create({
      ...ORDER,
      account_ids: ['acme'],
    });
    expect(await api.stores.outbox.count()).toBe(1);
    await api.send('POST', '/admin/v1/tokens', { ...ORDER, account_ids: ['acme'] });
    const [line] = await relayedLines(api, 2);
    expect(line).toMatchObject({ ActorID: 'console', ActorType: 'cloudflare_admin', Raw: {} });
  });
});

describe('a replay', () => {
  it('leaves an event when it is started and when it is cancelled, without secrets', async () => {
    const jobs = '/client/v4/accounts/acme/logpush/jobs';
    const job = (await api.send('POST', jobs, { ...JOB, name: 'first' })).body.result as {
      id: number;
    };
    await relayedLines(api, 1);
    const replays = `${jobs}/${job.id}/replay`;
    const { partition, end } = (await api.log.bounds()).find((of) => of.end > 0)!;
    const order = {
      offsets: [{ partition, first: end - 1, last: end - 1 }],
      destination_conf: 'https://logs.example.com/in?header_Y=pLaNtEd',
    };
    await api.send('POST', replays, { ...order, dry_run: true });
    const { body } = await api.send('POST', replays, order);
    const { id } = body.result as { id: number };
    await api.send('DELETE', `${replays}/${id}`);
    await api.send('DELETE', `${replays}/${id}`);
    const lines = (await relayedLines(api, 3)).slice(1);
    expect(lines).toMatchObject([
      {
        AccountID: 'acme',
        ActionDescription: 'Start Logpush replay',
        ActionType: 'create',
        Raw: {
          method: 'POST',
          status_code: 201,
          uri: `/accounts/acme/logpush/jobs/${job.id}/replay`,
        },
        ResourceID: String(id),
        ResourceProduct: 'logpush',
        ResourceRequest: {
          offsets: order.offsets,
          destination_conf: expect.stringContaining('REDACTED') as string,
        },
        ResourceResponse: { id, job_id: job.id, state: 'running' },
        ResourceType: 'replay',
      },
      {
        ActionDescription: 'Cancel Logpush replay',
        ActionType: 'update',
        ResourceID: String(id),
        ResourceResponse: { state: 'cancelled' },
      },
    ]);
    expect(JSON.stringify(lines)).not.toContain('pLaNtEd');
  });
});
