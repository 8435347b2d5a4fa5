import { LogUnavailableError, RecordTooLargeError, type AppendRecord } from '@trailpush/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeEvent } from './event-codec.ts';
import { eventIds } from './event-id.ts';
import { EVENT_TYPE } from './event-schema.ts';
import { LineEncoder } from './line-encoder.ts';
import { readLines, type InputLine } from './ndjson-lines.ts';
import { EventProducer, type LineError } from './producer.ts';

const MAX_LINE_BYTES = 200;
const NOW = Date.UTC(2026, 4, 21);
const clock = { now: () => NOW };

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The bytes in pieces of this size. */
function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

const shown = (line: InputLine) =>
  'tooLong' in line ? [line.number, 'too long'] : [line.number, line.bytes.toString()];

describe('lines', () => {
  const read = async (text: string, max = 10, size = 3) =>
    (await collect(readLines(pieces(Buffer.from(text), size), max))).map(shown);

  test.each([
    ['', []],
    ['a', [[1, 'a']]],
    [
      'a\nb\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'a\r\nb\r\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    ['\n \t\n\r\na', [[4, 'a']]],
    [
      '\ufeffa\n\ufeffb',
      [
        [1, 'a'],
        [2, '\ufeffb'],
      ],
    ],
    ['\ufeff', []],
    ['a\rb', [[1, 'a\rb']]],
    [
      '1234567890\n12345678901\nb',
      [
        [1, '1234567890'],
        [2, 'too long'],
        [3, 'b'],
      ],
    ],
    [
      '\ufeff1234567890\r\n1234567890\r\r',
      [
        [1, '1234567890'],
        [2, 'too long'],
      ],
    ],
    [
      `${'x'.repeat(1000)}\n${'y'.repeat(1000)}`,
      [
        [1, 'too long'],
        [2, 'too long'],
      ],
    ],
  ])('%j', async (text, lines) => {
    for (const size of [1, 2, 3, 7, 5000]) expect(await read(text, 10, size)).toEqual(lines);
  });

  test('come out whole, however the bytes were cut', async () => {
    const text = fc
      .array(fc.string({ unit: fc.constantFrom('a', 'é', '\n', '\r\n', ' ') }))
      .map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 20 }), async (all, size) => {
        const expected = all
          .split('\n')
          .map((line, index) => [index + 1, line.replace(/\r$/, '')] as const)
          .filter(([, line]) => line.trim() !== '');
        expect(await read(all, 1e6, size)).toEqual(expected);
      }),
    );
  });

  test('are read no faster than they are taken', async () => {
    let given = 0;
    function* endless() {
      for (;;) {
        given++;
        yield Buffer.from('a\nb\n');
      }
    }
    const lines = readLines(endless(), 10);
    for (let taken = 0; taken < 10; taken++) await lines.next();
    expect(given).toBe(5);
    await lines.return();
  });

  test('a line that is too long is not held', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    function* huge() {
      for (let index = 0; index < 300; index++) yield chunk;
      yield Buffer.from('\nb');
    }
    const before = process.memoryUsage().arrayBuffers;
    expect((await collect(readLines(huge(), 2 * 1024 * 1024))).map(shown)).toEqual([
      [1, 'too long'],
      [2, 'b'],
    ]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 1024 * 1024);
  });
});

describe('a producer', () => {
  const encoder = new LineEncoder({ encode: encodeEvent, maxRecordBytes: MAX_LINE_BYTES, clock });
  const good = (id: string, account = 'a') => JSON.stringify({ id, account: { id: account } });

  /** What a log does that takes values of a certain size. */
  function logUpTo(maxValueBytes: number) {
    const appends: AppendRecord[][] = [];
    return {
      appends,
      async append(records: readonly AppendRecord[]) {
        const large = records.findIndex(({ value }) => value.length > maxValueBytes);
        if (large !== -1) throw new RecordTooLargeError(large, 'too large for the broker');
        appends.push([...records]);
      },
    };
  }

  async function produce(text: string, log = logUpTo(MAX_LINE_BYTES)) {
    const producer = new EventProducer({ log, encoder, maxLineBytes: MAX_LINE_BYTES });
    const lines = readLines([Buffer.from(text)], MAX_LINE_BYTES);
    const errors: LineError[] = await collect(producer.produce(lines));
    const records = log.appends.flat();
    const events = records.map(
      ({ value }) =>
        EVENT_TYPE.fromBuffer(Buffer.from(value.subarray(10))) as {
          id: string;
          action: { time: number };
        },
    );
    return { producer, errors, appends: log.appends, records, events };
  }

  test('appends good lines under their account and names bad ones', async () => {
    const text = [good('1'), 'nonsense', '', 'x'.repeat(201), good('2', 'b'), '{}'].join('\n');
    const { producer, errors, records, events } = await produce(text);
    expect(records.map(({ key }) => key)).toEqual(['a', 'b']);
    expect(events.map(({ id }) => id)).toEqual(['1', '2']);
    expect(errors).toEqual([
      { line: 2, reason: 'not a JSON object' },
      { line: 4, reason: 'the line has more than 200 bytes' },
      { line: 6, reason: 'account.id or organization.id is required' },
    ]);
    expect([producer.accepted, producer.rejected]).toEqual([2, 3]);
  });

  test('assigns ids that sort by time, and times', async () => {
    const { events } = await produce('{"account":{"id":"a"}}\n'.repeat(50));
    const ids = events.map(({ id }) => id);
    expect(new Set(ids).size).toBe(50);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(NOW);
    }
    expect(eventIds({ now: () => NOW + 1 })() > ids[0]!).toBe(true);
    for (const { action } of events) expect(action.time).toBe(NOW * 1000);
  });

  test('appends in bounded chunks and in order', async () => {
    const ids = Array.from({ length: 2500 }, (_, index) => String(index));
    const { appends, events, producer } = await produce(ids.map((id) => good(id)).join('\n'));
    expect(appends.map((records) => records.length)).toEqual([1000, 1000, 500]);
    expect(events.map(({ id }) => id)).toEqual(ids);
    expect(producer.accepted).toBe(2500);
  });

  test('a record that is too large for the log becomes a bad line, alone', async () => {
    const large = good('x'.repeat(100));
    const text = [large, good('1'), large, good('2'), large].join('\n');
    const { events, errors, producer } = await produce(text, logUpTo(100));
    expect(events.map(({ id }) => id)).toEqual(['1', '2']);
    const reason = 'too large for the broker';
    expect(errors).toEqual([1, 3, 5].map((line) => ({ line, reason })));
    expect([producer.accepted, producer.rejected]).toEqual([2, 3]);
  });

  test('an event that takes more room than its line may not pass the limit', async () => {
    const line = `{"account":{"id":"${'a'.repeat(128)}"}}`;
    expect(line.length).toBeLessThan(MAX_LINE_BYTES);
    const { errors } = await produce(line);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.reason).toMatch(/^the event takes 2\d\d bytes, the limit is 200$/);
  });

  test('counts nothing that the log did not confirm', async () => {
    const log = logUpTo(MAX_LINE_BYTES);
    const append = log.append.bind(log);
    log.append = async (records) => {
      if (log.appends.length === 1) throw new LogUnavailableError('the broker is gone');
      return append(records);
    };
    const producer = new EventProducer({ log, encoder, maxLineBytes: MAX_LINE_BYTES });
    const text = Array.from({ length: 1500 }, (_, index) => good(String(index))).join('\n');
    const lines = readLines([Buffer.from(text)], MAX_LINE_BYTES);
    await expect(collect(producer.produce(lines))).rejects.toThrow('the broker is gone');
    expect(producer.accepted).toBe(1000);
  });
});
