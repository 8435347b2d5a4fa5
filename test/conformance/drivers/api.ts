import type { Answer } from '@trailpush/test/kit/api-fixture.ts';
import { planOf } from '@trailpush/test/kit/contracts/stores/suite.ts';
import { expect } from 'vitest';

import type { Driver, Drivers } from '../cases.ts';
import { ACCOUNT, CONF, createJob, JOBS, ORDER, SHOWN_CONF, theApi } from '../logpush-api.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
type Members = Record<string, unknown>;

/** The job of the documented examples. */
const EXAMPLE = { name: 'example.com', dataset: 'http_requests', destination_conf: CONF };

/**
 * A documented exchange. Zones have no jobs here, so that their examples are sent to an account; the names of
 * buckets that they leave open are filled in, and ids are those of this run.
 */
const exchange: Driver = async (entry) => {
  const api = await theApi();
  const { method, path, body } = entry['request'] as {
    method: Method;
    path: string;
    body?: Members;
  };
  const isNewJob = method === 'POST' && path.endsWith('/jobs');
  const { name, destination_conf: conf, dataset } = EXAMPLE;
  const options = { field_names: ['ClientIP', 'RayID'], timestamp_format: 'rfc3339' };
  const known = { name, destination_conf: conf, dataset, output_options: options };
  const { id } = isNewJob
    ? { id: 0 }
    : await createJob({ ...known, enabled: entry.id === 'api-267' });
  if (entry.id === 'api-267') await deliverUntil(Number(id), Date.parse('2018-08-09T21:26:00Z'));
  const url = path
    .replace(
      /^\/(?:zones\/\{zone_id\}|\{accounts\|zones\}\/\{id\})/,
      `/client/v4/accounts/${ACCOUNT}`,
    )
    .replace('{job_id}', String(id))
    .replace('{dataset_id}', 'audit_logs_v2');
  const filled = body?.['destination_conf'] === 's3://<BUCKET_PATH>?region=us-west-2';
  const sent = filled || path.endsWith('/destination') ? { ...body, destination_conf: CONF } : body;
  const answer = await api.send(method, url, sent);
  expect(answer.status).toBe(isNewJob ? 201 : 200);
  expect(answer.body).toMatchObject({ errors: [], messages: [], success: true });
  const response = entry['response'] as { result: Members } | undefined;
  if (response === undefined) expectType(answer, String(entry['response_result_type']));
  else if (method === 'DELETE') expect(answer.body.result).toEqual({ id });
  else if (!('dataset' in response.result)) expect(answer.body.result).toEqual(response.result);
  else {
    const isOwn = isNewJob ? {} : { output_options: options };
    const own = { id: expect.any(Number) as number, destination_conf: SHOWN_CONF, ...isOwn };
    expect(answer.body.result).toEqual({ ...response.result, ...own, frequency: 'high' });
  }
};

function expectType({ body: { result } }: Answer, type: string): void {
  if (type.startsWith('array')) expect(result).toBeInstanceOf(Array);
  else
    expect(Object.values(result as Members).every((text) => typeof text === 'string')).toBe(true);
}

/** As the batcher does it. */
async function deliverUntil(jobId: number, atMs: number): Promise<void> {
  const { log, stores } = await theApi();
  const claim = { topic: log.topic, partition: 0, owner: 'o', heldEpoch: undefined, logStart: 0 };
  const ownership = await stores.progress.claim(claim);
  const { cursor } = await stores.progress.loadJob(ownership, jobId);
  const first = cursor?.cursor ?? 0;
  const job = (await stores.jobs.get(ACCOUNT, jobId))!;
  const times = { minTimestampMs: atMs, maxTimestampMs: atMs };
  const inserted = await stores.progress.insertPlan(ownership, planOf(job, first, first, times));
  expect(inserted).toBe('inserted');
  await stores.progress.confirmPlan(ownership, { jobId, first, confirmedAtMs: atMs });
}

/** How a destination_conf is shown: whole, with the secrets hidden (DECISIONS.md). */
const echo: Driver = async (entry) => {
  const filler = String(entry['request_conf'])
    .replace('<URL>', 'http-intake.logs.datadoghq.com/v1/input')
    .replaceAll(/<[A-Z]>/g, 'x');
  const filter = '{"where": {"key":"ActorEmail","operator":"eq","value":"a@example.com"}}';
  const shown = await createJob({ destination_conf: filler, filter });
  expect(shown).toMatchObject({ filter });
  expect(shown['destination_conf']).toBe(filler.replace('API-KEY=x', 'API-KEY=REDACTED'));
  const read = await (await theApi()).send('GET', `${JOBS}/${String(shown['id'])}`);
  expect(read.body.result).toEqual(shown);
};

const omitted: Driver = async (entry) => {
  const job = entry['job_json'] as Members;
  const body = { ...job, logpull_options: 'timestamps=rfc3339' };
  const shown = await createJob(body);
  const health = ['last_complete', 'last_error', 'error_message'];
  expect(Object.keys(shown).toSorted()).toEqual([...Object.keys(job), ...health].toSorted());
  expect(shown).toMatchObject({ ...body, id: shown['id'] });
};

/** The strict reader of Cloudflare's MCP server. */
const mcpList: Driver = async () => {
  const { id } = await createJob({ name: 'a-b.c', enabled: true });
  await deliverUntil(Number(id), Date.parse('2026-01-02T03:04:05.678Z'));
  const answer = await (await theApi()).send('GET', JOBS);
  for (const job of answer.body.result as Members[]) {
    for (const time of [job['last_complete'], job['last_error']]) {
      if (time !== null) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/);
    }
  }
  const mine = (answer.body.result as Members[]).find((job) => job['id'] === id);
  expect(mine).toMatchObject({ name: 'a-b.c', last_complete: '2026-01-02T03:04:05.678Z' });
};

const deletedJob: Driver = async (entry) => {
  const api = await theApi();
  const { id } = await createJob();
  await api.send('DELETE', `${JOBS}/${String(id)}`);
  const answer = await api.send('GET', `${JOBS}/${String(id)}`);
  expect(answer.status).toBe(entry['http']);
  expect(answer.body.errors).toEqual([{ code: entry['code'], message: entry['message'] }]);
};

/** What comes of a test upload that fails like this, at creation and at a change. */
const failedUpload =
  (message: string, status?: number): Driver =>
  async (entry) => {
    const api = await theApi();
    const { id } = await createJob();
    const known = status === undefined ? {} : { status };
    api.answerProbes(async () => ({ verdict: { kind: 'refused' }, message, ...known }));
    const change = { destination_conf: CONF.replace('path', 'other') };
    for (const answer of [
      await api.send('POST', JOBS, ORDER),
      await api.send('PUT', `${JOBS}/${String(id)}`, change),
    ]) {
      expect(answer.status).toBe(entry['http']);
      expect(answer.body.errors[0]?.code).toBe(entry['code']);
      expect(answer.body.errors[0]?.message.startsWith(String(entry['message']))).toBe(true);
    }
  };

const changedKind: Driver = async () => {
  const { id } = await createJob();
  const answer = await (await theApi()).send('PUT', `${JOBS}/${String(id)}`, { kind: 'edge' });
  expect(answer.status).toBe(400);
  expect(answer.body.errors[0]).toMatchObject({ code: 1002, source: { pointer: '/kind' } });
};

/** Undecided cases are refused. */
const limit: Driver = async (entry) => {
  const field = String(entry['field']);
  const length = Number(entry['value_length'] ?? 0);
  const value = length === 0 ? entry['value'] : CONF + 'a'.repeat(length - CONF.length);
  const answer = await (await theApi()).send('POST', JOBS, { ...ORDER, [field]: value });
  expect(answer.status).toBe(entry['valid'] === true ? 201 : 400);
  if (entry['valid'] === true) return;
  expect(answer.body.errors).toHaveLength(1);
  expect(answer.body.errors[0]).toMatchObject({ code: 1002, source: { pointer: `/${field}` } });
};

const fourJobs: Driver = async (entry) => {
  for (let count = 0; count < Number(entry['value']); count += 1) await createJob();
};

const edgeLimits: Driver = async () => {
  for (const field of ['max_upload_bytes', 'max_upload_records']) {
    const body = { ...ORDER, kind: 'edge', [field]: 1_000_000_000 };
    expect((await (await theApi()).send('POST', JOBS, body)).status).toBe(400);
  }
};

const putSemantics: Driver = async (entry) => {
  const { before, put, after } = entry as unknown as Record<string, Members>;
  const { id } = await createJob({ dataset: 'http_requests', ...before });
  const answer = await (await theApi()).send('PUT', `${JOBS}/${String(id)}`, put);
  expect(answer.status).toBe(200);
  const { output_options: options = before?.['output_options'] } = put ?? {};
  expect(answer.body.result).toMatchObject({ ...after, output_options: options });
  // A format that was not sent again is not shown, and means the default (`timestamp_default`).
  expect(JSON.stringify(answer.body.result)).not.toContain('timestamp_format');
};

/** Cases about the Logpush API: bodies, properties, envelope, errors. */
export const drivers: Drivers = {
  logpush: {
    api: exchange,
    'api-277': echo,
    'api-278': echo,
    'api-279': omitted,
    'client_request-340': mcpList,
    'error-280': deletedJob,
    'error-281': failedUpload(
      'error 1105: error pushing: error uploading to https: 1105 DNSError: the host is unknown',
    ),
    'error-282': failedUpload('error 405: error pushing: error uploading to https: 405', 405),
    'error-291': changedKind,
    limit,
    'limit-172': fourJobs,
    'limit-174': edgeLimits,
    put_semantics: putSemantics,
    'put_semantics-136': changedKind,
  },
};
