import { gzipSync } from 'node:zlib';

import { startApi } from '@trailpush/test/kit/api-fixture.ts';
import { expect } from 'vitest';

import { expand, type Driver, type Drivers } from '../cases.ts';
import { createJob, JOBS, ORDER, sendRaw, theApi } from '../logpush-api.ts';

type Members = Record<string, unknown>;

/** A body that is refused changes nothing; what is not JSON by its type or coding is 415. */
const jsonBody: Driver = async (entry) => {
  const input = entry['input'] as Members & { body: Members };
  const bytes = input.body['$gzipZeros'];
  // A part of the bomb is enough, as nothing unpacks it.
  const body = bytes === undefined ? expand(input.body) : gzipSync(Buffer.alloc(2 ** 20));
  const coding = { ...(bytes === undefined ? {} : { 'content-encoding': 'gzip' }) };
  const type = input['content_type'] === undefined ? {} : { 'content-type': 'text/plain' };
  const { id } = await createJob({ enabled: false });
  const url = `${JOBS}/${String(id)}`;
  const answer = await sendRaw('PUT', url, body, { ...coding, ...type });
  const isMedia = bytes !== undefined || 'content_type' in input;
  const isLong = typeof body === 'string' && body.length > 2 ** 20;
  expect(answer.status).toBe(isMedia ? 415 : isLong ? 413 : 400);
  expect(answer.message).not.toBe('');
  const stored = await (await theApi()).send('GET', url);
  expect(stored.body.result).toMatchObject({ id, enabled: false, name: '' });
  expect(stored.body.result).not.toHaveProperty('output_options');
};

const deepBody: Driver = async (entry) => {
  await jsonBody(entry);
  const answer = await sendRaw('POST', JOBS, '['.repeat(33) + ']'.repeat(33));
  expect(answer).toMatchObject({ status: 400, message: 'the body is nested deeper than 32' });
};

/** Text that would take a backtracking pattern for ever, wherever the API has patterns. */
const slowPattern: Driver = async (entry) => {
  const { email } = entry['input'] as { email: unknown };
  const text = expand(email);
  const startedAt = performance.now();
  for (const name of ['name', 'destination_conf', 'logpull_options', 'filter', 'kind']) {
    const body = JSON.stringify({ ...ORDER, [name]: text });
    expect((await sendRaw('POST', JOBS, body)).status).toBe(400);
  }
  expect(performance.now() - startedAt).toBeLessThan(2_000);
};

const slowClient: Driver = async () => {
  const { app } = await theApi();
  const { headersTimeout, requestTimeout, maxConnections } = app.server;
  expect(headersTimeout).toBeLessThanOrEqual(10_000);
  expect(requestTimeout).toBeLessThanOrEqual(30_000);
  expect(maxConnections).toBeLessThan(5_000);
};

const tooManyJobs: Driver = async () => {
  const api = await startApi({ maxJobsPerAccount: 1 });
  await api.send('POST', JOBS, ORDER);
  const answer = await api.send('POST', JOBS, ORDER);
  expect(answer.status).toBe(403);
  const message =
    'creating a new job (for audit_logs_v2 dataset) is not allowed: exceeded max jobs allowed';
  expect(answer.body.errors).toEqual([{ code: 1004, message }]);
  await api.close();
};

/** Bad input of the Logpush API: bodies, patterns, slow clients, too many jobs. */
export const drivers: Drivers = {
  badInputs: {
    'json-body': jsonBody,
    'json-body-09': deepBody,
    'redos-01': slowPattern,
    'resource-limits-03': slowClient,
    'resource-limits-05': tooManyJobs,
  },
};
