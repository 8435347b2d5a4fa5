import { datasets, WriterSchemas } from '@trailpush/datasets';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { eventValue } from '@trailpush/test/kit/events.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { MemoryTopic } from '@trailpush/test/kit/memory-log.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { MAX_EXAMINED, MAX_PREVIEW_MS, previewContent } from './preview.ts';
import { MAX_PREVIEW_BYTES } from './preview-lines.ts';

const PREVIEW = '/client/v4/accounts/a1/logpush/preview';
const dataset = 'audit_logs_v2';
const ids = { field_names: ['AuditLogID'] };

interface Shown {
  readonly body: string;
}

describe('a preview over the API', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
    const types = ['update', 'view', 'update', 'update'];
    for (const [index, actionType] of types.entries()) {
      const value = eventValue({ id: `e${index}`, accountId: 'a1', actionType });
      await api.log.append([{ key: 'a1', value }]);
    }
    await api.log.append([{ key: 'a1', value: Buffer.from('no avro') }]);
    const value = eventValue({ id: 'foreign', accountId: 'a2' });
    await api.log.append([{ key: 'a2', value }]);
  });
  afterAll(() => api.close());

  const preview = (body: object) => api.send('POST', PREVIEW, { dataset, ...body });

  it('shows the newest events that match, as one object, and touches no destination', async () => {
    const where = { key: 'ActionType', operator: 'eq', value: 'update' };
    const output_options = {
      ...{ field_names: ['AuditLogID', 'ActionType'], output_type: 'csv' },
      ...{ batch_prefix: '<', batch_suffix: '>', record_suffix: '', record_delimiter: ';' },
    };
    const answer = await preview({ filter: JSON.stringify({ where }), output_options, limit: 2 });
    expect(answer.status).toBe(200);
    expect(answer.body.result).toMatchObject({
      body: '<"e2","update";"e3","update">',
      ...{ records: 2, events: 4, undecodable: 1, complete: true },
    });
    expect(answer.body.messages).toEqual([]);
    expect(api.probed).toEqual([]);
  });

  it('shows all fields of all that there is when nothing else is said', async () => {
    const { body } = (await preview({ filter: null, output_options: null })).body.result as Shown;
    const lines = body.trimEnd().split('\n');
    const found = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(found.map((line) => line['AuditLogID'])).toEqual(['e0', 'e1', 'e2', 'e3']);
    expect(Object.keys(found[0] ?? {})).toHaveLength(23);
  });

  it('follows logpull_options, and has no frame around nothing', async () => {
    const old = await preview({ logpull_options: 'fields=AuditLogID', limit: 1 });
    expect(old.body.result).toMatchObject({ body: '{"AuditLogID":"e3"}\n' });
    const filter = '{"where":{"key":"ActionType","operator":"eq","value":"no"}}';
    const none = await preview({ filter, output_options: { batch_prefix: '[' } });
    expect(none.body.result).toMatchObject({ body: '', records: 0, events: 4, complete: true });
  });

  it('defuses look-ups also where two pieces meet', async () => {
    const output_options = {
      ...ids,
      ...{ batch_prefix: '$', record_prefix: '{', 'CVE-2021-44228': true },
    };
    const answer = await preview({ output_options, limit: 1 });
    expect(answer.body.result).toMatchObject({ body: 'x{"AuditLogID":"e3"}\n' });
  });

  it.each([
    [{ dataset: null }, '/dataset', 'dataset must be given'],
    [{ dataset: 'dns_logs' }, '/dataset', 'dns_logs'],
    [{ filter: '{' }, '/filter', 'filter'],
    [{ output_options: { field_names: ['When'] } }, '/output_options/field_names', 'When'],
    [{ limit: 1001 }, '/limit', 'limit must be a whole number from 1 to 1000'],
    [{ enabled: true }, '/enabled', 'enabled is not a property of a preview'],
  ])('refuses %j', async (body, pointer, message) => {
    const answer = await preview(body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0]?.source?.pointer).toContain(pointer);
    expect(answer.body.errors[0]?.message).toContain(message);
  });

  it('is made one at a time for an account', async () => {
    const answers = await Promise.all([preview({}), preview({}), preview({})]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 429, 429]);
    expect((await preview({})).status).toBe(200);
  });

  it('needs the permission of jobs', async () => {
    const token = await api.createToken({ accountIds: ['a1'], permissions: [] });
    const answer = await api.app.inject({
      ...{ method: 'POST', url: PREVIEW, payload: { dataset } },
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.statusCode).toBe(403);
  });
});

describe('the search of a preview', () => {
  const content = {
    ...{ dataset, filter: '', logpullOptions: null },
    outputOptions: JSON.stringify({ ...ids, record_suffix: '}' }),
  };
  const audit = datasets(new WriterSchemas({})).get(dataset)!;

  function search(topic: MemoryTopic, limit: number, fields = content.outputOptions) {
    const deps = { log: topic.open(), clock: topic.clock, maxRecordBytes: 1024 * 1024 };
    const order = { accountId: 'a1', dataset: audit, limit };
    return previewContent({ ...order, content: { ...content, outputOptions: fields } }, deps);
  }
  function produce(topic: MemoryTopic, count: number, bodyChars?: number): void {
    for (let i = 0; i < count; i++) {
      const facts = { id: `e${i}`, accountId: 'a1', ...(bodyChars ? { bodyChars } : {}) };
      topic.append([{ key: 'a1', value: eventValue(facts) }]);
    }
  }

  it('goes back only as far as it must, over gaps, and keeps the order of the log', async () => {
    const topic = new MemoryTopic({ clock: new FakeClock(), partitions: 3, offsetGap: () => 2 });
    produce(topic, 2000);
    const { body, records, examined, complete } = await search(topic, 600);
    const expected = Array.from({ length: 600 }, (_, i) => `{"AuditLogID":"e${1400 + i}"`);
    expect(body.split('}').slice(0, -1)).toEqual(expected);
    expect(records).toBe(600);
    expect(examined).toBeLessThan(2000);
    expect(complete).toBe(true);
  });

  it('shows no more bytes than it may, the newest of them', async () => {
    const topic = new MemoryTopic({ clock: new FakeClock(), partitions: 1 });
    produce(topic, 40, 50_000);
    const fields = JSON.stringify({ field_names: ['AuditLogID', 'ResourceRequest'] });
    const { body, records, complete } = await search(topic, 1000, fields);
    expect(body.length).toBeLessThanOrEqual(MAX_PREVIEW_BYTES);
    expect(body.length).toBeGreaterThan(MAX_PREVIEW_BYTES - 60_000);
    expect(body.trimEnd().split('\n').at(-1)).toContain('"e39"');
    expect(body.trimEnd().split('\n')).toHaveLength(records);
    expect(complete).toBe(true);
  });

  it('finds what a foreign producer has put into another partition', async () => {
    const topic = new MemoryTopic({ clock: new FakeClock(), partitions: 2 });
    const partition = 1 - topic.partitionOf('a1');
    const value = eventValue({ id: 'elsewhere', accountId: 'a1' });
    topic.appendRaw({ partition, key: Buffer.from('a1'), value });
    expect((await search(topic, 5)).body).toBe('{"AuditLogID":"elsewhere"}');
  });

  it('ends after a number of records', async () => {
    const topic = new MemoryTopic({ clock: new FakeClock(), partitions: 1, maxReadRecords: 8192 });
    const key = Buffer.from('a2');
    for (let i = 0; i <= MAX_EXAMINED; i++) topic.appendRaw({ partition: 0, key, value: key });
    expect(await search(topic, 5)).toMatchObject({ examined: MAX_EXAMINED, complete: false });
  });

  it('ends when time is up, even if the log does not answer', async () => {
    const clock = new FakeClock();
    const topic = new MemoryTopic({ clock, partitions: 1 });
    produce(topic, 1);
    topic.readMs = 10 * MAX_PREVIEW_MS;
    const searching = search(topic, 5);
    await clock.advance(MAX_PREVIEW_MS);
    expect(await searching).toMatchObject({ examined: 0, records: 0, complete: false });
  });
});
