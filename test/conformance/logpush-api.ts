import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { foreignDataset } from '@trailpush/test/kit/foreign-dataset.ts';
import { afterAll, expect } from 'vitest';

/** The API with datasets that the cases name and this installation does not have. */
const HTTP_REQUESTS = foreignDataset('http_requests', {
  ...{ ClientIP: 'string', ClientRequestHost: 'string', ClientRequestMethod: 'string' },
  ...{ ClientRequestURI: 'string', EdgeEndTimestamp: 'timestamp', EdgeResponseBytes: 'int' },
  ...{ EdgeResponseStatus: 'int', EdgeStartTimestamp: 'timestamp', RayID: 'string' },
  ...{ A: 'string', B: 'string' },
});
const CASB_FINDINGS = foreignDataset('casb_findings', { DetectedTimestamp: 'timestamp' });

export const ACCOUNT = '023e105f4ecef8ad9ca31a8372d0c353';
export const LOGPUSH = `/client/v4/accounts/${ACCOUNT}/logpush`;
export const JOBS = `${LOGPUSH}/jobs`;
/** In place of the buckets that the cases only hint at. */
export const CONF =
  's3://bucket/path?region=us-west-2&access-key-id=AK&secret-access-key=canary-of-cases';
export const SHOWN_CONF = CONF.replace('canary-of-cases', 'REDACTED');
export const ORDER = { dataset: 'audit_logs_v2', destination_conf: CONF };

let started: Promise<ApiFixture> | undefined;

/** One API for all cases. Its test uploads all arrive unless a case says otherwise. */
export async function theApi(): Promise<ApiFixture> {
  started ??= startApi({
    moreDatasets: new Map([
      ['http_requests', HTTP_REQUESTS],
      ['casb_findings', CASB_FINDINGS],
    ]),
  });
  const api = await started;
  api.answerProbes(async () => ({ verdict: { kind: 'delivered' } }));
  return api;
}

afterAll(async () => (await started)?.close());

/** Creates a job, which must succeed, and gives what the answer shows of it. */
export async function createJob(body: object = {}): Promise<Record<string, unknown>> {
  const api = await theApi();
  const answer = await api.send('POST', JOBS, { ...ORDER, ...body });
  expect(answer.body.errors).toEqual([]);
  expect(answer.status).toBe(201);
  return answer.body.result as Record<string, unknown>;
}

/** Sends a body as it is, with these headers beside the credentials. */
export async function sendRaw(
  method: 'POST' | 'PUT',
  url: string,
  payload: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; code: number; message: string }> {
  const { app } = await theApi();
  const answer = await app.inject({
    method,
    url,
    payload,
    headers: {
      authorization: `Bearer ${ADMIN_TOKEN}`,
      'content-type': 'application/json',
      ...headers,
    },
  });
  const { errors } = answer.json<{ errors: { code: number; message: string }[] }>();
  const { code = 0, message = '' } = errors[0] ?? {};
  return { status: answer.statusCode, code, message };
}
