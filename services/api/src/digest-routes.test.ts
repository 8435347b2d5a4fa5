import { createPublicKey, verify } from 'node:crypto';
import { digestBuilder } from '@trailpush/destinations';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { specOf } from '@trailpush/test/kit/contracts/stores/suite.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

/** A digest of a new job, kept in the store. */
async function keptDigest(accountId: string) {
  const { jobs, digests } = api.stores;
  const job = await jobs.create(accountId, specOf(), undefined);
  const nowMs = job.createdAtMs + 86_400_000;
  await digests.takeDue({ nowMs, limit: 1000, leaseMs: 1, firstAfterMs: () => 0 });
  const build = digestBuilder({ intervalMs: 1000, hasKeys: true });
  const place = { location: 'https://example.com', folder: '' };
  const digest = await digests.next(job.id, { nowMs, place, isKept: true, maxRows: 9, build });
  await digests.settle(job.id, 1, false);
  return { job, digest: digest! };
}

interface Jwk {
  readonly kid: string;
  readonly retired_at: string | null;
}

const publicKeys = async () => {
  const answer = await api.app.inject('/digest-keys.json');
  return answer.json<{ keys: readonly Jwk[] }>().keys;
};

describe('digests that are kept', () => {
  it('are listed and given to their account, and prove themselves', async () => {
    const { job, digest } = await keptDigest('a');
    const base = `/client/v4/accounts/a/logpush/jobs/${job.id}/digests`;
    const listed = await api.send('GET', base);
    expect(listed.body.result).toMatchObject([{ sequence: 1, sha256: digest.hash }]);
    expect((await api.send('GET', `${base}?before=1`)).body.result).toEqual([]);
    const token = await api.createToken({ accountIds: ['a'], permissions: ['Logs Write'] });
    const headers = { authorization: `Bearer ${token}` };
    const file = await api.app.inject({ url: `${base}/1`, headers });
    expect(file.headers['content-type']).toBe('application/x-ndjson');
    expect(file.rawPayload).toEqual(Buffer.from(digest.body));
    const [text = '', seal = ''] = file.body.split('\n');
    const { key_id: keyId, signature } = JSON.parse(seal) as Record<string, string>;
    const jwk = (await publicKeys()).find(({ kid }) => kid === keyId);
    const key = createPublicKey({ key: jwk as never, format: 'jwk' });
    const signed = Buffer.from(signature ?? '', 'base64');
    expect(verify(null, Buffer.from(text), key, signed)).toBe(true);
  });

  it('are not there for another account, and say where else they may be', async () => {
    const { job } = await keptDigest('a');
    const base = `/client/v4/accounts/b/logpush/jobs/${job.id}/digests`;
    expect((await api.send('GET', base)).body.result).toEqual([]);
    const missing = await api.send('GET', `${base}/1`);
    expect(missing.status).toBe(404);
    expect(missing.body.errors[0]?.message).toMatch(/lie beside the objects$/);
    expect((await api.send('GET', `${base}?limit=0`)).status).toBe(400);
    expect((await api.send('GET', `${base}?before=x`)).body.errors[0]?.message).toMatch(/before/);
  });
});

describe('the keys of digests', () => {
  it('are rotated by the operator, and all served to everybody', async () => {
    const [before] = await publicKeys();
    const answer = await api.send('POST', '/admin/v1/digest_keys/rotate');
    const { id } = answer.body.result as { id: string };
    const listed = (await api.send('GET', '/admin/v1/digest_keys')).body.result;
    expect(listed).toMatchObject([
      { id, retired_on: null },
      { id: before?.kid, retired_on: expect.any(String) as string },
    ]);
    expect(JSON.stringify(listed)).not.toContain('PRIVATE');
    const token = await api.createToken({ permissions: ['Logs Write'] });
    const headers = { authorization: `Bearer ${token}` };
    const refused = await api.app.inject({ url: '/admin/v1/digest_keys', headers });
    expect(refused.statusCode).toBe(403);
  });
});
