import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const JOBS = '/client/v4/accounts/a1/logpush/jobs';
const CONF = 'https://logs.example.com/in?header_Authorization=Bearer%20canary';

describe('the health of a job', () => {
  let api: ApiFixture;
  let id: number;
  beforeAll(async () => {
    api = await startApi();
    const body = { dataset: 'audit_logs_v2', destination_conf: CONF };
    const { result } = (await api.send('POST', JOBS, body)).body;
    ({ id } = result as { id: number });
  });
  afterAll(() => api.close());

  it('shows the last attempts, the newest first', async () => {
    expect((await api.send('GET', `${JOBS}/${id}/attempts`)).body.result).toEqual([]);
    const common = { jobId: id, tookMs: 12, records: 5, wireBytes: 600, partition: 2 };
    const range = { firstOffset: 10, lastOffset: 14 };
    const atMs = Date.UTC(2026, 0, 2, 3, 4, 5);
    await api.stores.jobHealth.recordAttempts([
      { ...common, ...range, atMs, verdict: 'retry', code: 1102, message: 'error 1102: slow' },
      { ...common, ...range, atMs: atMs + 1500, verdict: 'delivered', code: 200, message: null },
    ]);
    expect((await api.send('GET', `${JOBS}/${id}/attempts`)).body.result).toEqual([
      {
        ...{ time: '2026-01-02T03:04:06.500Z', verdict: 'delivered', code: 200, duration_ms: 12 },
        ...{ bytes: 600, records: 5, partition: 2, first_offset: 10, last_offset: 14 },
        error_message: null,
      },
      expect.objectContaining({ code: 1102, error_message: 'error 1102: slow' }) as unknown,
    ]);
    const foreign = JOBS.replace('a1', 'a2');
    expect((await api.send('GET', `${foreign}/${id}/attempts`)).status).toBe(404);
  });

  it('is tested by one upload to the stored destination, whose answer is shown', async () => {
    api.answerProbes(async () => ({
      ...{ verdict: { kind: 'rejected' }, status: 415 },
      message: 'error 415: error pushing: error uploading to https: 415 wrong type',
    }));
    const answer = await api.send('POST', `${JOBS}/${id}/test`);
    expect(answer).toMatchObject({ status: 200, body: { success: true } });
    expect(answer.body.result).toEqual({
      ...{
        valid: false,
        verdict: 'rejected',
        code: 415,
        duration_ms: expect.any(Number) as number,
      },
      message: 'error 415: error pushing: error uploading to https: 415 wrong type',
    });
    expect(api.probed.at(-1)).toBe(CONF);
    api.answerProbes(async () => ({ verdict: { kind: 'delivered' }, status: 204 }));
    expect((await api.send('POST', `${JOBS}/${id}/test`)).body.result).toMatchObject({
      ...{ valid: true, code: 204, message: '' },
    });
    expect((await api.send('POST', `${JOBS}/999999/test`)).status).toBe(404);
  });
});
