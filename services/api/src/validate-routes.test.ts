import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const R2 =
  'r2://bucket/audit?account-id=0123456789abcdef0123456789abcdef&access-key-id=AK&secret-access-key=canary-key';

describe('validate', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());
  beforeEach(() => api.answerProbes(async () => ({ verdict: { kind: 'delivered' } })));

  const validate = async (path: string, body: object, scope = 'accounts/a') =>
    api.send('POST', `/client/v4/${scope}/logpush/validate/${path}`, body);

  it.each(['accounts/a', 'zones/z'])(
    'sends a test upload to a destination, and says that it arrived (%s)',
    async (scope) => {
      const before = api.probed.length;
      const answer = await validate('destination', { destination_conf: R2 }, scope);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({
        errors: [],
        messages: [],
        success: true,
        result: { valid: true, message: '' },
      });
      expect(api.probed.slice(before)).toEqual([R2]);
    },
  );

  it('says why a test upload did not arrive, in a request that succeeds', async () => {
    const message =
      'error 403: error pushing: error uploading to r2: 403 AccessDenied (check the credentials)';
    api.answerProbes(async () => ({ verdict: { kind: 'refused' }, status: 403, message }));
    const answer = await validate('destination', { destination_conf: R2 });
    expect(answer.body).toMatchObject({
      success: true,
      result: {
        valid: false,
        message:
          'error validating destination: error writing object: error uploading to r2: 403 AccessDenied (check the credentials)',
      },
    });
  });

  it.each([
    ['ftp://x', /scheme ftp:\/\/ is not supported/],
    ['https://127.0.0.1/', /not public/],
    [R2.replace('canary-key', 'REDACTED'), /stands for a stored secret/],
  ])('sends nothing to %s', async (conf, message) => {
    const before = api.probed.length;
    const answer = await validate('destination', { destination_conf: conf });
    expect(answer.body).toMatchObject({
      success: true,
      result: { valid: false, message: expect.stringMatching(message) as string },
    });
    expect(api.probed).toHaveLength(before);
  });

  it('finds a destination that a job of the account has, with whatever credentials', async () => {
    const exists = async (conf: string, scope?: string) =>
      (await validate('destination/exists', { destination_conf: conf }, scope)).body.result;
    expect(await exists(R2)).toEqual({ exists: false });
    await api.send('POST', '/client/v4/accounts/a/logpush/jobs', {
      dataset: 'audit_logs_v2',
      destination_conf: R2,
    });
    expect(await exists(R2)).toEqual({ exists: true });
    expect(await exists(R2.replace('canary-key', 'other'))).toEqual({ exists: true });
    expect(await exists(R2.replace('audit?', 'elsewhere?'))).toEqual({ exists: false });
    expect(await exists(R2, 'accounts/b')).toEqual({ exists: false });
    expect(await exists(R2, 'zones/a')).toEqual({ exists: false });
    expect(await exists('s3://foo')).toEqual({ exists: false });
  });

  it('tells HTTP destinations apart by their path', async () => {
    const conf = 'https://logs.example.com/one?tags=x';
    await api.send('POST', '/client/v4/accounts/h/logpush/jobs', {
      dataset: 'audit_logs_v2',
      destination_conf: conf,
    });
    for (const [path, exists] of [
      ['one', true],
      ['two', false],
    ] as const) {
      const body = { destination_conf: `https://logs.example.com/${path}` };
      const answer = await validate('destination/exists', body, 'accounts/h');
      expect(answer.body.result).toEqual({ exists });
    }
  });

  it.each<[object, boolean]>([
    [{ logpull_options: null }, true],
    [{ logpull_options: '' }, true],
    [{ logpull_options: 'fields=AuditLogID&timestamps=rfc3339&CVE-2021-44228=true' }, true],
    [{ logpull_options: 'fields=AuditLogID', dataset: 'audit_logs_v2' }, true],
    [{ logpull_options: 'fields=When', dataset: 'audit_logs_v2' }, false],
    [{ logpull_options: 'fields=When' }, true],
    [{ logpull_options: 'fields=RayID' }, false],
    [{ logpull_options: 'sample=2' }, false],
    [{ logpull_options: null, dataset: 'nope' }, false],
  ])('judges the options of %j', async (body, valid) => {
    const answer = await validate('origin', body);
    expect(answer.body.success).toBe(true);
    const { message, ...rest } = answer.body.result as { message: string; valid: boolean };
    expect(rest).toEqual({ valid });
    expect(message === '').toBe(valid);
  });

  it.each([
    ['destination', {}, '/destination_conf', 'destination_conf must be a text'],
    ['destination/exists', { destination_conf: 1 }, '/destination_conf', 'must be a text'],
    ['origin', {}, '/logpull_options', 'logpull_options must be a text or null'],
    ['origin', { logpull_options: '', x: 1 }, '/x', 'x is not a property of this request'],
  ])('refuses %s with the body %j', async (path, body, pointer, message) => {
    const answer = await validate(path, body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toHaveLength(1);
    expect(answer.body.errors[0]).toMatchObject({ code: 1002, source: { pointer } });
    expect(answer.body.errors[0]?.message).toContain(message);
  });
});
