import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const JOBS = '/client/v4/accounts/a1/logpush/jobs';
const minimal = {
  dataset: 'audit_logs_v2',
  destination_conf: 's3://bucket?region=eu-west-1&access-key-id=AKIA1&secret-access-key=s',
};

describe('what a job may be', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  it.each<[string, object, string]>([
    [
      'max_upload_bytes',
      { max_upload_bytes: 4_999_999 },
      'must be 0 or a whole number from 5000000 to 1000000000',
    ],
    ['max_upload_bytes', { max_upload_bytes: 1_000_000_001 }, 'must be 0 or a whole number'],
    ['max_upload_bytes', { max_upload_bytes: '5000000' }, 'must be 0 or a whole number'],
    ['max_upload_interval_seconds', { max_upload_interval_seconds: 29 }, 'from 30 to 300'],
    ['max_upload_interval_seconds', { max_upload_interval_seconds: 301 }, 'from 30 to 300'],
    ['max_upload_interval_seconds', { max_upload_interval_seconds: 30.5 }, 'from 30 to 300'],
    ['max_upload_records', { max_upload_records: 999 }, 'from 1000 to 1000000'],
    ['max_upload_records', { max_upload_records: 1_000_001 }, 'from 1000 to 1000000'],
    ['name', { name: 'has space' }, 'must consist of at most 512 letters'],
    ['name', { name: 'é' }, 'must consist of at most 512 letters'],
    ['name', { name: 'a'.repeat(513) }, 'must consist of at most 512 letters'],
    ['enabled', { enabled: 'true' }, 'must be true or false'],
    ['frequency', { frequency: 'medium' }, 'must be "high" or "low"'],
    ['kind', { kind: 'instant-logs' }, 'must be empty or "edge"'],
    ['kind', { kind: 'edge' }, 'only available for the http_requests dataset'],
    ['dataset', { dataset: 'nope' }, '"nope" does not exist: this installation has audit_logs'],
    ['dataset', { dataset: undefined }, 'must be given: this installation has audit_logs'],
    ['destination_conf', { destination_conf: undefined }, 'must be given'],
    [
      'destination_conf',
      { destination_conf: `s3://b?region=${'a'.repeat(4096)}` },
      'must have at most 4096 characters',
    ],
    ['destination_conf', { destination_conf: 'ftp://bucket' }, 'ftp:// is not supported'],
    ['destination_conf', { destination_conf: 'https://127.0.0.1/' }, 'is not public'],
    ['filter', { filter: '{"where":{"key":"Nope","operator":"eq","value":"x"}}' }, 'Nope'],
    ['filter', { filter: 'not json' }, 'JSON'],
    ['filter', { filter: { where: {} } }, 'must be a text that holds JSON'],
    ['output_options/sample_rate', { output_options: { sample_rate: -0.1 } }, 'sample_rate'],
    ['output_options/field_names', { output_options: { field_names: ['Nope'] } }, 'Nope'],
    ['output_options', { output_options: [] }, 'must be an object or null'],
    [
      'logpull_options',
      { logpull_options: 'fields=RayID' },
      'output_options.field_names: the dataset has no field "RayID"',
    ],
    [
      'transformer_id',
      { transformer_id: 4 },
      'is not available for the datasets of this installation',
    ],
    ['filter_attack_traffic', { filter_attack_traffic: true }, 'is not available'],
    ['enable', { enable: true }, 'is not a property of a job'],
    [
      'constructor',
      { constructor: { prototype: { enabled: true } } },
      'is not a property of a job',
    ],
  ])('refuses a wrong %s: %j', async (property, body, message) => {
    const answer = await api.send('POST', JOBS, { ...minimal, ...body });
    expect(answer.status).toBe(400);
    const [error] = answer.body.errors;
    expect(answer.body).toMatchObject({ success: false, result: null, messages: [] });
    expect(error).toMatchObject({ code: 1002, source: { pointer: `/${property}` } });
    expect(error?.message).toContain(property.split('/')[0]);
    expect(error?.message).toContain(message);
    expect(await api.stores.jobs.list('a1')).toEqual([]);
  });

  it.each<object>([
    { max_upload_bytes: 0, max_upload_interval_seconds: null, max_upload_records: 0 },
    { max_upload_bytes: 1_000_000_000, max_upload_interval_seconds: 300, max_upload_records: 1e6 },
    { name: 'a'.repeat(512), kind: null, filter: null, output_options: null },
    { ownership_challenge: 'token', logpull_options: null, transformer_id: null },
    { logpull_options: 'fields=RayID', output_options: { field_names: ['AuditLogID'] } },
    { logpull_options: 'fields=AuditLogID,ActorEmail&timestamps=rfc3339&sample=0.1' },
    { dataset: 'audit_logs', output_options: { output_type: 'csv', field_names: ['*'] } },
    { destination_conf: 'https://logs.example.com?header_Authorization=Basic%20x&tags=a:b' },
  ])('accepts %j', async (body) => {
    const answer = await api.send('POST', '/client/v4/accounts/ok/logpush/jobs', {
      ...minimal,
      ...body,
    });
    expect(answer.text).toContain('"success":true');
  });

  it('names every property that is wrong', async () => {
    const answer = await api.send('POST', JOBS, { ...minimal, name: ' ', enabled: 1, unknown: 2 });
    expect(answer.body.errors.map(({ source }) => source?.pointer)).toEqual([
      '/unknown',
      '/name',
      '/enabled',
    ]);
  });

  it('keeps dataset and kind as they were', async () => {
    const created = await api.send('POST', '/client/v4/accounts/fixed/logpush/jobs', minimal);
    const { id } = created.body.result as { id: number };
    const put = (body: object) =>
      api.send('PUT', `/client/v4/accounts/fixed/logpush/jobs/${id}`, body);
    expect((await put({ dataset: 'audit_logs_v2', kind: '' })).status).toBe(200);
    for (const [property, body] of [
      ['dataset', { dataset: 'http_requests' }],
      ['kind', { kind: 'edge' }],
    ] as const) {
      const answer = await put(body);
      expect(answer.status).toBe(400);
      expect(answer.body.errors[0]).toMatchObject({
        code: 1002,
        source: { pointer: `/${property}` },
      });
      expect(answer.body.errors[0]?.message).toContain(`${property} cannot be changed`);
    }
  });

  it('lets an operator lower the floors', async () => {
    const relaxed = await startApi({ relaxLimits: true });
    try {
      const limits = {
        max_upload_bytes: 1_000,
        max_upload_interval_seconds: 1,
        max_upload_records: 1,
      };
      const answer = await relaxed.send('POST', JOBS, { ...minimal, ...limits });
      expect(answer.body.result).toMatchObject(limits);
      const below = await relaxed.send('POST', JOBS, { ...minimal, max_upload_bytes: 999 });
      expect(below.status).toBe(400);
    } finally {
      await relaxed.close();
    }
  });

  describe('as JSON', () => {
    const post = (payload: string | Buffer, headers: Record<string, string> = {}) =>
      api.app.inject({
        method: 'POST',
        url: JOBS,
        headers: {
          authorization: `Bearer ${ADMIN_TOKEN}`,
          'content-type': 'application/json',
          ...headers,
        },
        payload,
      });

    it.each<[string | Buffer, string]>([
      ['{"enabled":true,"enabled":false}', 'the body has the key "enabled" twice'],
      ['['.repeat(1_000) + ']'.repeat(1_000), 'the body is nested deeper than 32'],
      ['{"max_upload_bytes":1e400}', 'the body has a number that is too large'],
      ['{"name":"\\ud800"}', 'the body has text with half of a surrogate pair'],
      ['\ufeff{"enabled":true}', 'the body is not JSON'],
      ['{"__proto__":{"admin":true}}', '__proto__ is not a property of a job'],
      ['{', 'the body is not JSON'],
      ['[]', 'the body must be a JSON object'],
      ['null', 'the body must be a JSON object'],
      ['', 'the body must be a JSON object'],
      [Buffer.from([0xff]), 'the body is not UTF-8'],
    ])('refuses %.40s', async (payload, message) => {
      const answer = await post(payload);
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ success: false, result: null });
      expect(answer.body).toContain(JSON.stringify(message).slice(1, -1));
    });

    it('answers 415 to other media types and to compression, 413 to more than 1 MiB', async () => {
      expect((await post('{"enabled":true}', { 'content-type': 'text/plain' })).statusCode).toBe(
        415,
      );
      expect((await post('{}', { 'content-encoding': 'gzip' })).statusCode).toBe(415);
      const large = await post(JSON.stringify({ name: 'a'.repeat(1024 * 1024) }));
      expect(large.statusCode).toBe(413);
      expect(large.json()).toMatchObject({ success: false, result: null });
    });
  });
});
