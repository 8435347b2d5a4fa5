import { randomBytes } from 'node:crypto';

import { demandsOwnership, parseDestination } from '@trailpush/destinations';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Ownership } from './ownership.ts';

const DAY_MS = 86_400_000;
const SUMO = 'sumo://endpoint1.collection.sumologic.com/receiver/v1/http/SEcRet0123456789CodE';
const OTHER = `${SUMO}2`;
const R2 =
  'r2://bucket/logs?account-id=0123456789abcdef0123456789abcdef&access-key-id=AK&secret-access-key=SK';
const jobsOf = (account: string) => `/client/v4/accounts/${account}/logpush/jobs`;
const order = (destination_conf: string, ownership_challenge?: string) => ({
  ...{ dataset: 'audit_logs_v2', destination_conf },
  ...(ownership_challenge === undefined ? {} : { ownership_challenge }),
});

describe('a proof of ownership', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  async function tokenFor(conf: string, scope = 'accounts/a'): Promise<string> {
    const url = `/client/v4/${scope}/logpush/ownership`;
    const answer = await api.send('POST', url, { destination_conf: conf });
    expect(answer.body.result).toEqual({
      filename: 'ownership-challenge.txt',
      message: '',
      valid: true,
    });
    return api.challenges.at(-1)!.token;
  }

  async function expectRefused(account: string, body: object, message: RegExp): Promise<void> {
    const answer = await api.send('POST', jobsOf(account), body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([
      { code: 1002, source: { pointer: '/ownership_challenge' } },
    ]);
    expect(answer.body.errors[0]?.message).toMatch(message);
  }

  it('is written to the destination, and makes one job', async () => {
    const token = await tokenFor(SUMO);
    expect(api.challenges.at(-1)?.conf).toBe(SUMO);
    const created = await api.send('POST', jobsOf('a'), order(SUMO, token));
    expect(created.status).toBe(201);
    expect(created.text).not.toContain(token);
    await expectRefused('a', order(SUMO, token), /was used before/);
    expect((await api.send('POST', jobsOf('a'), order(SUMO, await tokenFor(SUMO)))).status).toBe(
      201,
    );
  });

  it('is demanded, and must be of this account and of exactly this configuration', async () => {
    await expectRefused('a', order(SUMO), /must be given for this destination: POST the same/);
    await expectRefused('a', order(SUMO, 'nonsense'), /is not a token from/);
    await expectRefused('b', order(SUMO, await tokenFor(SUMO)), /another account or zone/);
    await expectRefused('a', order(SUMO, await tokenFor(SUMO, 'zones/a')), /another account/);
    await expectRefused('a', order(OTHER, await tokenFor(SUMO)), /exactly this text/);
    const forged = `${(await tokenFor(SUMO)).split('.').slice(0, 2).join('.')}.`;
    await expectRefused('a', order(SUMO, forged), /is not a token from/);
  });

  it('is demanded of a PUT that moves the job, and of no other', async () => {
    const created = await api.send('POST', jobsOf('c'), order(R2, 'not looked at'));
    expect(created.status).toBe(201);
    const url = `${jobsOf('c')}/${(created.body.result as { id: number }).id}`;
    expect((await api.send('PUT', url, { destination_conf: SUMO })).status).toBe(400);
    const token = await tokenFor(SUMO, 'accounts/c');
    const moved = await api.send('PUT', url, order(SUMO, token));
    expect(moved.status).toBe(200);
    expect((await api.send('PUT', url, { enabled: true })).status).toBe(200);
    const shown = (moved.body.result as { destination_conf: string }).destination_conf;
    expect((await api.send('PUT', url, order(shown))).status).toBe(200);
  });

  it('is checked without being used up', async () => {
    const token = await tokenFor(SUMO, 'accounts/d');
    const validate = (scope: string, conf: string) =>
      api.send('POST', `/client/v4/${scope}/logpush/ownership/validate`, {
        ...{ destination_conf: conf, ownership_challenge: token },
      });
    for (let times = 0; times < 2; times += 1) {
      expect((await validate('accounts/d', SUMO)).body).toMatchObject({
        ...{ success: true, result: { valid: true }, messages: [] },
      });
    }
    const wrong = await validate('accounts/e', SUMO);
    expect(wrong.body.result).toEqual({ valid: false });
    expect(wrong.body.messages[0]?.message).toContain('that of another account');
    expect((await validate('zones/d', SUMO)).body.result).toEqual({ valid: false });
    expect((await validate('accounts/d', 'gopher://x')).body.result).toEqual({ valid: false });
    expect((await api.send('POST', jobsOf('d'), order(SUMO, token))).status).toBe(201);
  });

  it('says in a result that is not valid why it could not be written', async () => {
    const url = '/client/v4/accounts/a/logpush/ownership';
    const bad = await api.send('POST', url, { destination_conf: 'gopher://x' });
    expect(bad.status).toBe(200);
    expect(bad.body.result).toMatchObject({ valid: false, filename: '' });
    expect((bad.body.result as { message: string }).message).toContain('gopher');
  });

  it('is not readable for those who find it, and ends after seven days', async () => {
    const clock = new FakeClock();
    const policy = { allowPrivate: [], fileRoot: undefined };
    const ownership = new Ownership({
      destinations: { parse: (conf) => parseDestination(conf, policy), demandsOwnership },
      challengeKey: randomBytes(32),
      requireOwnership: true,
      clock,
    });
    const token = await ownership.issue('account:a', SUMO);
    const claims = decodeJwt(token);
    expect(claims).toMatchObject({ sub: 'account:a', exp: claims.iat! + (7 * DAY_MS) / 1000 });
    expect(JSON.stringify(claims)).not.toContain('SEcRet');
    await clock.advance(7 * DAY_MS - 1000);
    expect(await ownership.verify('account:a', SUMO, token)).toHaveProperty('id');
    await clock.advance(1001);
    expect(await ownership.verify('account:a', SUMO, token)).toEqual({
      problem: 'ownership_challenge is older than seven days: request another one',
    });
  });
});
