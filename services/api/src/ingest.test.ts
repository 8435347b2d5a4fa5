import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';

import { LogUnavailableError, type LogRecord } from '@trailpush/core';
import { ADMIN_TOKEN, startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

const event = (id: string, account = 'a1') =>
  JSON.stringify({ id, account: { id: account }, action: { type: 'create' } });

const MIB = 1024 * 1024;

interface Result {
  readonly accepted: number;
  readonly rejected: number;
  readonly errors: readonly { readonly line: number; readonly reason: string }[];
  readonly errors_omitted: number;
}

describe('POST /ingest/v1/events', () => {
  let api: ApiFixture;
  /** Where the log ended before the test. */
  let before: ReadonlyMap<number, number>;
  beforeAll(async () => {
    api = await startApi({ maxRecordBytes: 10_000 });
    await api.app.listen({ port: 0, host: '127.0.0.1' });
  });
  beforeEach(async () => {
    before = new Map((await api.log.bounds()).map(({ partition, end }) => [partition, end]));
  });
  afterAll(() => api.close());

  async function post(payload: string | Buffer, headers: Record<string, string> = {}) {
    const answer = await api.app.inject({
      method: 'POST',
      url: '/ingest/v1/events',
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        'content-type': 'application/x-ndjson',
        ...headers,
      },
      payload,
    });
    const body = answer.json<{
      success: boolean;
      errors: { code: number; message: string }[];
      result: Result;
    }>();
    return { status: answer.statusCode, headers: answer.headers, body, result: body.result };
  }

  async function recordsInLog(): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for (const { partition, end } of await api.log.bounds()) {
      const start = before.get(partition) ?? 0;
      const reader = api.log.openReader(partition, start);
      for (let at = start; at < end;) {
        const read = await reader.read();
        records.push(...read.records);
        at = read.nextOffset;
      }
      await reader.close();
    }
    return records;
  }

  it('answers 202 when the log has the events, keyed by account', async () => {
    const answer = await post(`${event('e1')}\n${event('e2', 'a2')}\n`);
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({
      success: true,
      errors: [],
      messages: [],
      result: { accepted: 2, rejected: 0, errors: [], errors_omitted: 0 },
    });
    const records = await recordsInLog();
    expect(records.map(({ key }) => Buffer.from(key ?? []).toString()).sort()).toEqual([
      'a1',
      'a2',
    ]);
    expect(records.map(({ value }) => Buffer.from(value ?? []).toString()).join()).toContain('e1');
  });

  it('takes the good lines and names the bad ones', async () => {
    const lines = [
      event('e1'),
      '',
      'nonsense',
      '{"account":{"id":"a1"},"nope":1}',
      event('e2'),
      '{}',
    ];
    const answer = await post(lines.join('\n'));
    expect(answer.status).toBe(202);
    expect(answer.result).toMatchObject({ accepted: 2, rejected: 3, errors_omitted: 0 });
    expect(answer.result.errors.map(({ line }) => line)).toEqual([3, 4, 6]);
    expect(answer.result.errors[1]?.reason).toContain('"nope"');
    expect(await recordsInLog()).toHaveLength(2);
  });

  it('answers 400 when no line is an event, and stores nothing', async () => {
    const answer = await post('nonsense\n{}\n');
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ success: false, result: { accepted: 0, rejected: 2 } });
    expect(answer.body.errors[0]?.message).toMatch(/^none of the 2 lines is an event; line 1: /);
    for (const empty of ['', '\n \n']) {
      const nothing = await post(empty);
      expect(nothing.status).toBe(400);
      expect(nothing.body.errors[0]?.message).toContain('the body has no lines');
    }
    expect(await recordsInLog()).toEqual([]);
  });

  it('lists at most 100 bad lines and counts the rest', async () => {
    const answer = await post(`${event('e1')}\n${'x\n'.repeat(250)}`);
    expect(answer.result).toMatchObject({ accepted: 1, rejected: 250, errors_omitted: 150 });
    expect(answer.result.errors).toHaveLength(100);
  });

  it('takes 100,000 lines, blank ones included', async () => {
    const answer = await post(`${event('e1')}${'\n'.repeat(100_000)}`);
    expect(answer.status).toBe(202);
    const oneMore = await post(`${event('e1')}${'\n'.repeat(100_000)} `);
    expect(oneMore.status).toBe(413);
  });

  it('takes more events than the log takes in one piece', async () => {
    const ids = Array.from({ length: 2500 }, (_, index) => `many-${index}`);
    const answer = await post(ids.map((id) => event(id)).join('\n'));
    expect(answer.result).toMatchObject({ accepted: 2500, rejected: 0 });
    expect(await recordsInLog()).toHaveLength(2500);
  });

  it('refuses a line that is too long, alone', async () => {
    const long = JSON.stringify({
      account: { id: 'a1' },
      resource: { request: 'x'.repeat(10_000) },
    });
    const answer = await post(`${long}\n${event('e1')}`);
    expect(answer.status).toBe(202);
    expect(answer.result.errors).toEqual([
      { line: 1, reason: 'the line has more than 10000 bytes' },
    ]);
  });

  it('takes gzip, also in several members', async () => {
    const body = Buffer.concat([gzipSync(`${event('e1')}\n`), gzipSync(event('e2'))]);
    const answer = await post(body, { 'content-encoding': 'gzip' });
    expect(answer.result).toMatchObject({ accepted: 2, rejected: 0 });
  });

  it.each<[string, string | Buffer, Record<string, string>, number, string]>([
    ['gzip that is none', event('e1'), { 'content-encoding': 'gzip' }, 400, 'not the gzip'],
    [
      'gzip that is cut off',
      gzipSync(event('e1').repeat(50)).subarray(0, 40),
      { 'content-encoding': 'gzip' },
      400,
      'not the gzip',
    ],
    [
      'another encoding',
      event('e1'),
      { 'content-encoding': 'br' },
      415,
      'Content-Encoding br is not supported',
    ],
    [
      'another media type',
      event('e1'),
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'application/x-ndjson',
    ],
    [
      'a length that is too large',
      '',
      { 'content-length': '999999999' },
      413,
      'more than 33554432 bytes',
    ],
    ['too many lines', '\n'.repeat(200_000), {}, 413, 'more than 100000 lines'],
    [
      'gzip that inflates too far',
      gzipSync(Buffer.alloc(40 * MIB)),
      { 'content-encoding': 'gzip' },
      413,
      'more than 33554432 bytes',
    ],
  ])('refuses %s', async (_what, payload, headers, status, message) => {
    const answer = await post(payload, headers);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ success: false });
    expect(answer.body.errors[0]?.message).toContain(message);
    expect(await recordsInLog()).toEqual([]);
    // What the refused body held is free again.
    for (let turn = 0; turn < 3; turn += 1) expect((await post(event('ok'))).status).toBe(202);
  });

  it('acknowledges nothing while the log is unavailable', async () => {
    api.breakLog(new LogUnavailableError('no broker answers'));
    onTestFinished(() => api.breakLog(undefined));
    const answer = await post(event('e1'));
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('2');
    expect(answer.body.errors[0]?.message).toBe(
      'nothing was acknowledged, as the log is unavailable: no broker answers; send the same lines again',
    );
  });

  it('answers early to a body that it will not take, on a connection that still lives', async () => {
    const socket = connect((api.app.server.address() as AddressInfo).port, '127.0.0.1');
    const body = gzipSync(Buffer.alloc(40 * MIB));
    socket.write(
      'POST /ingest/v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n' +
        `authorization: Bearer ${ADMIN_TOKEN}\r\ncontent-encoding: gzip\r\n` +
        `content-length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1.1 413 /);
    socket.destroy();
  });

  /** A request that lacks its last byte; resolves when the server has read all others. */
  async function stall(bytes: number): Promise<Socket> {
    const connected = once(api.app.server, 'connection') as Promise<[Socket]>;
    const socket = connect((api.app.server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(
      'POST /ingest/v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n' +
        `authorization: Bearer ${ADMIN_TOKEN}\r\ncontent-length: ${bytes + 1}\r\n\r\n`,
    );
    socket.write(Buffer.alloc(bytes, `${' '.repeat(9_000)}\n`));
    const [accepted] = await connected;
    await expect.poll(() => accepted.bytesRead, { timeout: 10_000 }).toBeGreaterThan(bytes);
    return socket;
  }

  it('sends clients away while too many bytes are in flight, and recovers', async () => {
    const stalled = [await stall(30 * MIB), await stall(30 * MIB)];
    const large = `${event('e1')}\n${`${' '.repeat(9_000)}\n`.repeat(1_000)}`;
    const answer = await post(large);
    expect(answer.status).toBe(503);
    expect(answer.body.errors[0]?.message).toContain('send the same lines again');
    for (const socket of stalled) socket.destroy();
    await expect.poll(async () => (await post(large)).status, { timeout: 10_000 }).toBe(202);
    // A client that goes away is no fault of the server.
    expect(api.logged()).not.toContain('"level":"error"');
  });

  it('counts lines', async () => {
    const counted = async (result: string) => {
      const { body } = await api.app.inject('/metrics');
      const pattern = new RegExp(
        `^trailpush_ingest_lines_total\\{result="${result}"\\} (\\d+)$`,
        'm',
      );
      return Number(pattern.exec(body)?.[1] ?? 0);
    };
    const [accepted, rejected] = [await counted('accepted'), await counted('rejected')];
    await post(`${event('e1')}\nx\n${event('e2')}\n`);
    expect(await counted('accepted')).toBe(accepted + 2);
    expect(await counted('rejected')).toBe(rejected + 1);
  });
});
