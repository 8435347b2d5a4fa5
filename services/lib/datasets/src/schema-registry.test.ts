import { ConfigError, LogClosedError, Secret } from '@trailpush/core';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { FakeSchemaRegistry } from '@trailpush/test/kit/fake-schema-registry.ts';
import { createRecordingLogger, type LoggedLine } from '@trailpush/test/kit/recording-logger.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SchemaRegistry } from './schema-registry.ts';

const SCHEMA = { type: 'record', name: 'R', fields: [] };

let server: FakeSchemaRegistry;
let clock: FakeClock;
let lines: LoggedLine[];
let registry: SchemaRegistry;

function open(url: string): SchemaRegistry {
  const recording = createRecordingLogger();
  lines = recording.lines;
  // A jitter of nothing: the waits are 125 ms, 250 ms, 500 ms, ...
  return new SchemaRegistry({
    url: new Secret(url),
    clock,
    logger: recording.logger,
    random: () => 0,
  });
}

beforeEach(async () => {
  server = await FakeSchemaRegistry.start();
  clock = new FakeClock();
  registry = open(server.url);
});

afterEach(async () => {
  registry.close();
  await server.stop();
});

/** Resolves once this many attempts have failed and the next one waits for its time. */
async function failures(count: number): Promise<void> {
  await vi.waitFor(() => {
    expect(lines).toHaveLength(count);
    expect(clock.pendingTimers).toBe(1);
  });
}

/**
 * Turns the clock until this many requests came; in steps so small that an answer on its way is read
 * long before its deadline.
 */
async function requests(count: number): Promise<void> {
  await vi.waitFor(
    async () => {
      await clock.advance(50);
      expect(server.requests).toHaveLength(count);
    },
    { interval: 5, timeout: 5000 },
  );
}

describe('fetching a schema', () => {
  test('asks once for callers that come together, and never again', async () => {
    server.put(7, SCHEMA);
    expect(registry.peek(7)).toBeUndefined();
    await Promise.all([registry.fetch(7), registry.fetch(7)]);
    expect(registry.peek(7)).toEqual({ id: 7, schemaType: 'AVRO', text: JSON.stringify(SCHEMA) });
    expect(server.requests).toHaveLength(1);
  });

  test('an id is absent after three answers that say so, and is asked for again a minute later', async () => {
    const fetched = registry.fetch(7);
    await requests(3);
    await fetched;
    expect(registry.peek(7)).toBe('absent');
    expect(registry.health()).toBeUndefined();
    await clock.advance(60_000);
    expect(registry.peek(7)).toBeUndefined();
    server.put(7, SCHEMA);
    await registry.fetch(7);
    expect(registry.peek(7)).toMatchObject({ id: 7 });
  });

  test('an id that a following registry hears of late is found', async () => {
    server.faults.push({
      status: 404,
      body: '{"error_code":40403,"message":"Schema 7 not found"}',
    });
    server.put(7, SCHEMA);
    const fetched = registry.fetch(7);
    await requests(2);
    await fetched;
    expect(registry.peek(7)).toMatchObject({ id: 7 });
  });

  test('waits while the registry is broken in any way, with growing pauses, and says so', async () => {
    server.put(7, SCHEMA);
    server.faults.push(
      'reset',
      { status: 503, body: 'upstream \u001b[31m is down' },
      { status: 404, body: '<html>no such page</html>' },
      { status: 401, body: '{"error_code":401,"message":"Unauthorized"}' },
      { status: 200, body: 'not JSON' },
      { status: 302, body: '' },
    );
    const fetched = registry.fetch(7);
    for (let count = 1; count <= 6; count++) {
      await failures(count);
      await clock.advance(125 * 2 ** (count - 1) - 1);
      expect(server.requests).toHaveLength(count);
      await clock.advance(1);
    }
    await fetched;
    expect(registry.peek(7)).toMatchObject({ id: 7 });
    expect(lines.map(({ fields }) => (fields as { error: string }).error)).toEqual([
      expect.any(String),
      'unexpected answer: 503 upstream [31m is down',
      'unexpected answer: 404 <html>no such page</html>',
      'unexpected answer: 401 Unauthorized',
      'unexpected answer: 200 not JSON',
      'unexpected answer: 302',
    ]);
  });

  test('gives up an attempt that is not answered within 10 s, and one with an endless answer', async () => {
    server.put(7, SCHEMA);
    server.faults.push('hang', { status: 200, body: 'x'.repeat(2 * 1024 * 1024) });
    const fetched = registry.fetch(7);
    await vi.waitFor(() => expect(server.requests).toHaveLength(1));
    await clock.advance(9_999);
    expect(lines).toEqual([]);
    await clock.advance(1);
    await failures(1);
    expect(registry.health()).toBe(
      `the schema registry at ${server.url} cannot be asked: no answer within 10 s`,
    );
    await clock.advance(125);
    await failures(2);
    expect(registry.health()).toContain('an answer of more than 1048576 bytes');
    await clock.advance(250);
    await fetched;
    expect(registry.health()).toBeUndefined();
  });

  test('names the cause when nothing listens there', async () => {
    await server.stop();
    registry.fetch(7).catch(() => undefined);
    await failures(1);
    expect(registry.health()).toContain('ECONNREFUSED');
  });

  test('close ends a wait and leaves no timer', async () => {
    server.faults.push('hang');
    const hanging = expect(registry.fetch(7)).rejects.toThrow(LogClosedError);
    await vi.waitFor(() => expect(server.requests).toHaveLength(1));
    registry.close();
    await hanging;
    expect(clock.pendingTimers).toBe(0);
  });

  test('holds a bounded number of schemas, the newest', async () => {
    for (let id = 1; id <= 1001; id++) server.put(id, SCHEMA);
    const ids = Array.from({ length: 1001 }, (_, index) => index + 1);
    await Promise.all(ids.map((id) => registry.fetch(id)));
    expect(ids.filter((id) => registry.peek(id) === undefined)).toHaveLength(1);
  });
});

describe('registering a schema', () => {
  test('gives the id, the same one again', async () => {
    server.put(1, { type: 'string' });
    expect(await registry.register('audit.events-value', SCHEMA)).toBe(2);
    expect(await registry.register('a/b', SCHEMA)).toBe(2);
    expect([...server.subjects]).toEqual([
      ['audit.events-value', 2],
      ['a/b', 2],
    ]);
  });

  test('waits for a registry that is down', async () => {
    server.faults.push({ status: 500, body: '' }, { status: 429, body: '' });
    const registered = registry.register('s', SCHEMA);
    await failures(1);
    await clock.advance(125);
    await failures(2);
    await clock.advance(250);
    expect(await registered).toBe(1);
  });

  test.each([
    [
      409,
      '{"error_code":409,"message":"Schema being registered is incompatible"}',
      '409 Schema being registered is incompatible',
    ],
    [401, '{"error_code":401,"message":"Unauthorized"}', '401 Unauthorized'],
    [404, '', '404'],
    [301, '', '301'],
  ])('a refusal (%i) is an error of the configuration', async (status, body, shown) => {
    server.faults.push({ status, body });
    const registered = registry.register('s', SCHEMA);
    await expect(registered).rejects.toThrow(ConfigError);
    await expect(registered).rejects.toThrow(
      `the schema registry at ${server.url} refuses the schema of subject s: ${shown}; correct SCHEMA_REGISTRY_URL`,
    );
  });
});

describe('the address', () => {
  test('may have a path and credentials, which are sent and shown nowhere', async () => {
    registry.close();
    const port = new URL(server.url).port;
    registry = open(`http://us%40er:p%25ss%3Aword@127.0.0.1:${port}/base/`);
    server.faults.push({ status: 403, body: 'no' });
    registry.fetch(7).catch(() => undefined);
    await failures(1);
    expect(server.requests).toEqual([
      {
        line: `GET /base/schemas/ids/7`,
        authorization: `Basic ${Buffer.from('us@er:p%ss:word').toString('base64')}`,
      },
    ]);
    const shown = JSON.stringify(lines) + (registry.health() ?? '');
    expect(shown).toContain(`http://127.0.0.1:${port}/base`);
    expect(shown).not.toMatch(/p%|word|us@|us%/);
  });

  test.each(['localhost:8081', 'ftp://u:secret@h/', 'nonsense secret', ''])(
    '%j is refused',
    (url) => {
      expect(() => open(url)).toThrow(ConfigError);
      expect(() => open(url)).toThrow(/^SCHEMA_REGISTRY_URL must be a URL(?!.*secret)/);
    },
  );
});
