import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const JOBS = '/client/v4/accounts/tf/logpush/jobs';

/**
 * What Terraform's provider (v5) sends and reads: all members at creation, changed ones alone afterwards, and
 * state that must equal the configuration. Absent members and null are its zero values.
 */
describe("Terraform's provider", () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  const configured = {
    dataset: 'audit_logs_v2',
    destination_conf: 'https://logpush-receiver.sd.cfplat.com?updated=true',
    enabled: true,
    filter: '{"where":{"and":[{"key":"ActionType","operator":"eq","value":"create"}]}}',
    frequency: 'high',
    kind: '',
    max_upload_bytes: 0,
    max_upload_interval_seconds: 30,
    max_upload_records: 0,
    name: 'terraform-job',
    output_options: {
      batch_prefix: '',
      batch_suffix: '',
      'CVE-2021-44228': false,
      field_delimiter: ',',
      field_names: ['AuditLogID', 'ActionTimestamp'],
      output_type: 'ndjson',
      sample_rate: 1,
      timestamp_format: 'rfc3339',
    },
  };

  /** What its state holds after reading a job. */
  function stateOf(result: unknown): Record<string, unknown> {
    const zeros = {
      ...{ filter: '', name: '', kind: '', frequency: 'high', enabled: false },
      ...{ max_upload_bytes: 0, max_upload_interval_seconds: 0, max_upload_records: 0 },
    };
    const members = Object.entries(result as object).filter(([, value]) => value !== null);
    return { ...zeros, ...(Object.fromEntries(members) as Record<string, unknown>) };
  }

  async function create(body: object = configured): Promise<number> {
    const answer = await api.send('POST', JOBS, body);
    expect(answer.body.errors).toEqual([]);
    return (answer.body.result as { id: number }).id;
  }

  it('finds no difference after creating and reading', async () => {
    const id = await create();
    const read = await api.send('GET', `${JOBS}/${id}`);
    expect(stateOf(read.body.result)).toEqual({ ...configured, id });
  });

  it('changes one member and finds the others as they were', async () => {
    const id = await create();
    for (const change of [
      { enabled: false },
      { max_upload_interval_seconds: 0 },
      { filter: '' },
      { max_upload_bytes: 5_000_000 },
      { output_options: { field_names: ['AuditLogID'] } },
      { destination_conf: 'https://logpush-receiver.sd.cfplat.com?updated=again' },
    ]) {
      const before = stateOf((await api.send('GET', `${JOBS}/${id}`)).body.result);
      const changed = await api.send('PUT', `${JOBS}/${id}`, change);
      expect(stateOf(changed.body.result)).toEqual({ ...before, ...change });
      const read = await api.send('GET', `${JOBS}/${id}`);
      expect(stateOf(read.body.result)).toEqual({ ...before, ...change });
    }
  });

  it('takes a member back with null', async () => {
    const id = await create();
    const nulls = {
      ...{ filter: null, name: null, output_options: null, max_upload_records: null },
      ...{ max_upload_bytes: null, max_upload_interval_seconds: null, logpull_options: null },
    };
    const answer = await api.send('PUT', `${JOBS}/${id}`, nulls);
    const { dataset, destination_conf } = configured;
    const zeros = { filter: '', name: '', kind: '', frequency: 'high', enabled: true };
    const limits = { max_upload_bytes: 0, max_upload_interval_seconds: 0, max_upload_records: 0 };
    const state = { id, dataset, destination_conf, ...zeros, ...limits };
    expect(stateOf(answer.body.result)).toEqual(state);
  });

  it('drops a job that is gone from its state', async () => {
    const id = await create();
    expect((await api.send('DELETE', `${JOBS}/${id}`)).status).toBe(200);
    expect((await api.send('GET', `${JOBS}/${id}`)).status).toBe(404);
    expect((await api.send('PUT', `${JOBS}/${id}`, { enabled: false })).status).toBe(404);
    expect((await api.send('DELETE', `${JOBS}/${id}`)).status).toBe(404);
  });

  it('keeps a secret that it read as REDACTED', async () => {
    const secret = 'https://logs.example.com/in?header_Authorization=Bearer%20canary&tags=a';
    const id = await create({ ...configured, destination_conf: secret });
    const shown = secret.replace('Bearer%20canary', 'REDACTED');
    const answer = await api.send('PUT', `${JOBS}/${id}`, { destination_conf: shown, name: 'n' });
    expect(answer.body.result).toMatchObject({ destination_conf: shown, name: 'n' });
    const stored = await api.stores.jobs.get('tf', id);
    expect(stored?.spec.destinationConf.reveal()).toBe(secret);
    const moved = shown.replace('logs.example.com', 'elsewhere.example.com');
    const refused = await api.send('PUT', `${JOBS}/${id}`, { destination_conf: moved });
    expect(refused.status).toBe(400);
  });
});
