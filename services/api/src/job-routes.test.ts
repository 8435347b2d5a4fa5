import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const S3 =
  's3://bucket/logs/{DATE}?region=eu-west-1&access-key-id=AKIA1&secret-access-key=canary-one';
const S3_REDACTED = S3.replace('canary-one', 'REDACTED');
const jobsOf = (account: string) => `/client/v4/accounts/${account}/logpush/jobs`;
const minimal = { dataset: 'audit_logs_v2', destination_conf: S3 };

describe('/client/v4/accounts/:account_id/logpush/jobs', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi({ maxJobsPerAccount: 2 });
  });
  afterAll(() => api.close());

  /** Each test has an account of its own. */
  let account = 'a0';
  let JOBS = jobsOf(account);
  beforeEach(() => {
    account = `a${Number(account.slice(1)) + 1}`;
    JOBS = jobsOf(account);
  });

  async function create(body: object = {}, path = JOBS) {
    const answer = await api.send('POST', path, { ...minimal, ...body });
    expect(answer.body).toMatchObject({ success: true });
    return answer.body.result as { id: number } & Record<string, unknown>;
  }

  it('creates a job and shows it as Logpush does, without what was not set', async () => {
    const answer = await api.send('POST', JOBS, minimal);
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      errors: [],
      messages: [],
      success: true,
      result: {
        id: expect.any(Number) as number,
        dataset: 'audit_logs_v2',
        name: '',
        destination_conf: S3_REDACTED,
        enabled: false,
        frequency: 'high',
        kind: '',
        last_complete: null,
        last_error: null,
        error_message: null,
      },
    });
  });

  it('echoes filter, output options and limits exactly as they were sent', async () => {
    const sent = {
      name: 'example.com-v1_2',
      enabled: true,
      filter: '{"where": {"key":"ActorEmail","operator":"eq","value":"a@example.com"}}',
      output_options: { timestamp_format: 'rfc3339', field_names: ['AuditLogID', 'AccountID'] },
      max_upload_bytes: 5_000_000,
      max_upload_interval_seconds: 30,
      max_upload_records: 1_000,
      frequency: 'low',
    };
    const { id, ...shown } = await create(sent);
    expect(shown).toMatchObject(sent);
    expect(Object.keys(shown.output_options as object)).toEqual([
      'timestamp_format',
      'field_names',
    ]);
    const read = await api.send('GET', `${JOBS}/${id}`);
    expect(read.status).toBe(200);
    expect(read.body.result).toEqual({ id, ...shown });
  });

  it('lists the jobs of the account, and none of others', async () => {
    await create({ name: 'one' });
    await create({ name: 'two' });
    await create({ name: 'foreign' }, jobsOf('other'));
    const own = await api.send('GET', JOBS);
    expect(own.body.result).toMatchObject([{ name: 'one' }, { name: 'two' }]);
    const nobody = await api.send('GET', jobsOf('nobody'));
    expect(nobody).toMatchObject({ status: 200, body: { success: true, result: [] } });
  });

  it('answers the same for the job of another account and for none', async () => {
    const { id } = await create();
    for (const method of ['GET', 'PUT', 'DELETE'] as const) {
      const body = method === 'PUT' ? { enabled: false } : undefined;
      const foreign = await api.send(method, `${jobsOf('other')}/${id}`, body);
      const missing = await api.send(method, `${JOBS}/99`, body);
      expect(foreign).toMatchObject({ status: 404, body: missing.body });
      expect(missing.body).toEqual({
        errors: [{ code: 1000, message: 'job not found' }],
        messages: [],
        success: false,
        result: null,
      });
    }
  });

  it('changes only the properties that are sent, and output options as a whole', async () => {
    const { id } = await create({
      name: 'before',
      output_options: { field_names: ['AuditLogID'], timestamp_format: 'unix' },
      max_upload_records: 2_000,
    });
    const put = (body: object) => api.send('PUT', `${JOBS}/${id}`, body);
    expect((await put({ enabled: true })).body.result).toMatchObject({
      enabled: true,
      name: 'before',
      max_upload_records: 2_000,
      output_options: { field_names: ['AuditLogID'], timestamp_format: 'unix' },
      destination_conf: S3_REDACTED,
    });
    const replaced = await put({ output_options: { field_names: ['AccountID'] }, name: null });
    expect(replaced.body.result).toMatchObject({
      output_options: { field_names: ['AccountID'] },
      name: '',
    });
    const reset = await put({ output_options: null, max_upload_records: 0, filter: '' });
    expect(reset.body.result).not.toHaveProperty('output_options');
    expect(reset.body.result).not.toHaveProperty('max_upload_records');
    expect(reset.body.result).not.toHaveProperty('filter');
  });

  it('takes back what it showed: read-only properties change nothing, REDACTED keeps the secret', async () => {
    const shown = await create({ name: 'same' });
    const answer = await api.send('PUT', `${JOBS}/${shown.id}`, {
      ...shown,
      id: 77,
      last_error: 'x',
    });
    expect(answer.body.result).toEqual(shown);
    const [stored] = await api.stores.jobs.list(account);
    expect(stored?.spec.destinationConf.reveal()).toBe(S3);
    expect(stored?.revision).toBe(1);
  });

  it('does not hand a stored secret to another place', async () => {
    const { id } = await create();
    const moved = S3_REDACTED.replace('bucket', 'other-bucket');
    const answer = await api.send('PUT', `${JOBS}/${id}`, { destination_conf: moved });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([
      { code: 1002, source: { pointer: '/destination_conf' } },
    ]);
    expect(answer.text).toContain('send the secret itself');
    const [stored] = await api.stores.jobs.list(account);
    expect(stored?.spec.destinationConf.reveal()).toBe(S3);
  });

  it('shows a secret in no answer, whatever is wrong with the request', async () => {
    const { id } = await create();
    const answers = [
      await api.send('GET', JOBS),
      await api.send('GET', `${JOBS}/${id}`),
      await api.send('PUT', `${JOBS}/${id}`, {
        destination_conf: 's3://b?region=x y&secret-access-key=canary',
      }),
      await api.send('PUT', `${JOBS}/${id}`, { destination_conf: 's3://canary:canary@b' }),
      await api.send('DELETE', `${JOBS}/${id}`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400, 400, 200]);
    expect(answers.map(({ text }) => text).join()).not.toContain('canary');
    expect(api.logged()).not.toContain('canary');
  });

  it('deletes a job', async () => {
    const { id } = await create();
    const answer = await api.send('DELETE', `${JOBS}/${id}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ errors: [], messages: [], success: true, result: { id } });
    expect((await api.send('GET', `${JOBS}/${id}`)).status).toBe(404);
  });

  it('says when a deletion drops objects that were about to be delivered', async () => {
    const { id } = await create({ enabled: true });
    const claim = { topic: api.log.topic, partition: 0, owner: 'x', heldEpoch: undefined };
    const owned = await api.stores.progress.claim({ ...claim, logStart: 0 });
    const plan = {
      jobId: id,
      partition: 0,
      first: 0,
      last: 9,
      contentRevision: 1,
      location: 's3://bucket',
      key: 'k',
      idempotencyKey: 'i',
      payloadHash: 'h',
      encoderVersion: 1,
      records: 10,
      payloadBytes: 100,
      minTimestampMs: 1,
      maxTimestampMs: 2,
      deadLetterId: 0,
      confirmed: false,
    };
    expect(await api.stores.progress.insertPlan(owned, plan)).toBe('inserted');
    const answer = await api.send('DELETE', `${JOBS}/${id}`);
    expect(answer.body.messages).toEqual([
      {
        code: 1100,
        message:
          '1 object that was about to be delivered will not be sent again; attempts already made may have arrived',
      },
    ]);
  });

  it('accepts the empty body that clients send with a DELETE, and a trailing slash', async () => {
    const { id } = await create();
    const answer = await api.app.inject({
      method: 'DELETE',
      url: `${JOBS}/${id}/`,
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        'content-type': 'application/json',
      },
    });
    expect(answer.statusCode).toBe(200);
  });

  it('raises the content revision only when content changes', async () => {
    const { id } = await create();
    const revisions = async () => {
      const job = await api.stores.jobs.get(account, id);
      return [job?.revision, job?.contentRevision];
    };
    await api.send('PUT', `${JOBS}/${id}`, { name: 'x' });
    expect(await revisions()).toEqual([2, 1]);
    await api.send('PUT', `${JOBS}/${id}`, { output_options: { timestamp_format: 'unix' } });
    expect(await revisions()).toEqual([3, 2]);
    await api.send('PUT', `${JOBS}/${id}`, { name: 'x' });
    expect(await revisions()).toEqual([3, 2]);
    await api.send('PUT', `${JOBS}/${id}`, { logpull_options: 'sample=0.1' });
    expect(await revisions()).toEqual([4, 3]);
  });

  it('merges changes that race, losing none', async () => {
    const { id } = await create();
    const changes = [{ name: 'x' }, { max_upload_records: 5_000 }, { frequency: 'low' }];
    const answers = await Promise.all(
      changes.map((body) => api.send('PUT', `${JOBS}/${id}`, body)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const { body } = await api.send('GET', `${JOBS}/${id}`);
    expect(body.result).toMatchObject({ name: 'x', max_upload_records: 5_000, frequency: 'low' });
  });

  it('limits the jobs of one account', async () => {
    await create();
    await create();
    const answer = await api.send('POST', JOBS, minimal);
    expect(answer).toMatchObject({
      status: 403,
      body: {
        errors: [
          {
            code: 1004,
            message:
              'creating a new job (for audit_logs_v2 dataset) is not allowed: exceeded max jobs allowed',
          },
        ],
      },
    });
    await create({}, jobsOf('other'));
  });
});
