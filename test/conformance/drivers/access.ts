import { demandsOwnership } from '@trailpush/destinations';
import type { NewToken } from '@trailpush/core';
import { ADMIN_TOKEN } from '@trailpush/test/kit/api-fixture.ts';
import { expect } from 'vitest';

import { objectName } from '../../../services/batcher/src/object-name.ts';
import { expand, type Driver, type Drivers } from '../cases.ts';
import { ACCOUNT, JOBS, theApi } from '../logpush-api.ts';

const DAY_MS = 86_400_000;
const R2_KEYS =
  '?account-id=0123456789abcdef0123456789abcdef&access-key-id=AK&secret-access-key=SK';
const OWNERSHIP = `/client/v4/accounts/${ACCOUNT}/logpush/ownership`;

/** A conf of each destination as Logpush lists them. */
const CONFS: Readonly<Record<string, string>> = {
  'AWS S3': 's3://bucket/logs?region=us-west-2',
  'Google Cloud Storage': 'gs://bucket/logs',
  'Azure Blob Storage': 'azure://a.blob.core.windows.net/c?sig=x',
  'Sumo Logic': 'sumo://endpoint1.collection.sumologic.com/receiver/v1/http/CODE',
  'S3-compatible storage': 's3://b/p?region=R&access-key-id=A&secret-access-key=S&endpoint=e.com',
  'HTTP endpoints': 'https://logs.example.com',
  Datadog: 'datadog://http-intake.logs.datadoghq.com/api/v2/logs?header_DD-API-KEY=x',
  Splunk: 'splunk://splunk.example.com:8088/services/collector/raw?channel=x',
  'New Relic': 'https://log-api.newrelic.com/log/v1?Api-Key=x&format=cloudflare',
};

const challengeRequired: Driver = ({ destination, expect: expected }) => {
  expect(demandsOwnership(CONFS[String(destination)] ?? '')).toBe(expected);
};

/** The same bucket and path with keys, as buckets without keys are not reached here. */
function withKeys(conf: string): string {
  const [, path = ''] = /^(?:s3|gs):\/\/[^/?]+([^?]*)/.exec(conf) ?? [];
  return `r2://bucket${path}${R2_KEYS}`;
}

async function challenge(conf: string): Promise<string> {
  const api = await theApi();
  await api.send('POST', OWNERSHIP, { destination_conf: conf });
  const { conf: written, token } = api.challenges.at(-1)!;
  expect(written).toBe(conf);
  return token;
}

async function isValid(conf: string, token: string): Promise<unknown> {
  const body = { destination_conf: conf, ownership_challenge: token };
  const answer = await (await theApi()).send('POST', `${OWNERSHIP}/validate`, body);
  expect(answer.status).toBe(200);
  return answer.body.result;
}

const ownershipMatch: Driver = async (entry) => {
  const token = await challenge(withKeys(String(entry['challenge_conf'])));
  const result = await isValid(withKeys(String(entry['job_conf'])), token);
  expect(result).toEqual({ valid: entry['accepted'] });
};

/** Written, not written, and checked: the documented answers, with the bucket of this run. */
const ownership: Driver = async (entry) => {
  const { result } = entry['response'] as { result: { readonly [member: string]: unknown } };
  const conf = withKeys('s3://b/logs');
  if (!('filename' in result)) {
    expect(await isValid(conf, await challenge(conf))).toEqual(result);
    return;
  }
  const sent = result['valid'] === true ? conf : 's3://b';
  const answer = await (await theApi()).send('POST', OWNERSHIP, { destination_conf: sent });
  expect(answer.body).toMatchObject({ success: true, errors: [], messages: [] });
  expect(answer.body.result).toEqual(
    result['valid'] === true
      ? { ...result, filename: 'bucket/logs/ownership-challenge.txt' }
      : { filename: '', valid: false, message: expect.stringContaining('destination') as string },
  );
};

const ownershipToken: Driver = async (entry) => {
  const token = await challenge(withKeys('s3://b/logs'));
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    readonly [name: string]: unknown;
  };
  expect(claims['sub']).toBe(`account:${ACCOUNT}`);
  expect(Object.keys(claims)).toEqual(expect.arrayContaining(['conf', 'place', 'exp', 'jti']));
  const ttlDays = (Number(claims['exp']) - Number(claims['iat'])) / 86_400;
  expect(ttlDays).toBe(entry['ttl_days']);
};

async function statusWith(
  headers: Record<string, string | string[]>,
  url = JOBS,
  remoteAddress = '127.0.0.1',
): Promise<number> {
  const { app } = await theApi();
  const answer = await app.inject({ url, headers, remoteAddress });
  expect(answer.json<{ success: boolean }>().success).toBe(false);
  return answer.statusCode;
}

const TOKENS: Readonly<Record<string, Partial<NewToken>>> = {
  'not before tomorrow': { notBeforeMs: Date.now() + DAY_MS },
  expired: { expiresAtMs: Date.now() - 1 },
  'valid, wrong client address': { allowedAddresses: ['192.0.2.0/24'] },
};

const authentication: Driver = async (entry) => {
  const { headers, token } = entry['input'] as {
    headers?: Record<string, string | string[]>;
    token?: string;
  };
  if (headers !== undefined) {
    const second = headers['Authorization'];
    const sent = Array.isArray(second)
      ? { authorization: [`Bearer ${ADMIN_TOKEN}`, ...second.slice(1)] }
      : headers;
    expect(await statusWith(sent)).toBe(401);
    return;
  }
  const limits = TOKENS[String(token)];
  const spec = { accountIds: null, permissions: ['Logs Write'] as const, ...limits };
  const text =
    limits === undefined ? expand(token) : await (await theApi()).createToken({ ...spec });
  expect(await statusWith({ authorization: `Bearer ${text}` })).toBe(401);
};

const otherAccount: Driver = async () => {
  const token = await (
    await theApi()
  ).createToken({
    ...{ accountIds: ['A'], permissions: ['Logs Write'] },
  });
  const url = '/client/v4/accounts/B/logpush/jobs/1';
  expect(await statusWith({ authorization: `Bearer ${token}` }, url)).toBe(403);
};

const readOnly: Driver = async () => {
  const token = await (
    await theApi()
  ).createToken({
    ...{ accountIds: ['A'], permissions: ['Logs Read'] },
  });
  const url = '/client/v4/accounts/A/logpush/jobs';
  expect(await statusWith({ authorization: `Bearer ${token}` }, url)).toBe(403);
};

const jobId: Driver = async (entry) => {
  const { job_id: id } = entry['input'] as { job_id: string };
  const answer = await (await theApi()).send('GET', `${JOBS}/${id}`);
  expect(answer.status).toBe(id === '1e3' ? 400 : 404);
};

const foreignChallenge: Driver = async () => {
  const conf = withKeys('s3://b/logs');
  const api = await theApi();
  await api.send('POST', '/client/v4/accounts/B/logpush/ownership', { destination_conf: conf });
  const { token } = api.challenges.at(-1)!;
  expect(await isValid(conf, token)).toEqual({ valid: false });
  const other = await challenge(conf.replace('bucket', 'other-bucket'));
  expect(await isValid(conf, other)).toEqual({ valid: false });
};

/** Each account must prove that the place is its own, and then neither touches the other's objects. */
const sharedPlace: Driver = async () => {
  const api = await theApi();
  const conf = 'azure://a.blob.core.windows.net/shared/logs?sv=2022-11-02&ss=b&srt=o&sp=w&sig=c2ln';
  const order = { dataset: 'audit_logs_v2', destination_conf: conf };
  const tokens: string[] = [];
  for (const name of ['A', 'B']) {
    await api.send('POST', `/client/v4/accounts/${name}/logpush/ownership`, {
      destination_conf: conf,
    });
    tokens.push(api.challenges.at(-1)!.token);
  }
  const statusOf = async (name: string, proof?: string) => {
    const body = proof === undefined ? order : { ...order, ownership_challenge: proof };
    return (await api.send('POST', `/client/v4/accounts/${name}/logpush/jobs`, body)).status;
  };
  expect([await statusOf('A'), await statusOf('A', tokens[1])]).toEqual([400, 400]);
  expect([await statusOf('A', tokens[0]), await statusOf('B', tokens[1])]).toEqual([201, 201]);
  const offsets = { topic: 'audit.events', incarnation: 0, partition: 0, first: 0, last: 9 };
  const names = [1, 2].map((jobId) => {
    const times = { minTimestampMs: 0, maxTimestampMs: 1 };
    return objectName({ jobId, contentRevision: 1, ...offsets, ...times }, 0);
  });
  expect(new Set(names).size).toBe(2);
};

/** Cases about credentials, ownership and what they protect. */
export const drivers: Drivers = {
  logpush: {
    challenge_required: challengeRequired,
    ownership,
    ownership_match: ownershipMatch,
    ownership_token: ownershipToken,
  },
  badInputs: {
    authentication,
    'authorisation-tenancy-01': jobId,
    'authorisation-tenancy-02': jobId,
    'authorisation-tenancy-03': otherAccount,
    'authorisation-tenancy-05': readOnly,
    'authorisation-tenancy-08': sharedPlace,
    'authorisation-tenancy-10': foreignChallenge,
  },
};
