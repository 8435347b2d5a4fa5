import { UndecodableRecordError } from '@trailpush/core';
import { describe, expect, test } from 'vitest';
import { AvroCursor, readLong } from './avro-cursor.ts';
import { compileWriterSchema, runProgram, type SlotTable } from './avro-program.ts';

/** Values that avsc does not write: forged, damaged, or legal and odd. */
const SLOTS: SlotTable = new Map([['last', { slot: 0, kind: 'text' }]]);
/** A text `x` behind the value that is skipped, as a mark that the right bytes were. */
const MARK = [0x02, 0x78];

/** Skips `bytes` as a value of `type`. @returns the text of the field behind it */
function skip(type: unknown, bytes: readonly number[], others: readonly unknown[] = []): string {
  const fields = [...others, type].map((each, index) => ({ name: `f${index}`, type: each }));
  const schema = {
    type: 'record',
    name: 'R',
    fields: [...fields, { name: 'last', type: 'string' }],
  };
  const value = Buffer.from([...bytes, ...MARK]);
  const cursor = new AvroCursor(1);
  cursor.reset(value, 0);
  runProgram(compileWriterSchema(schema, SLOTS), cursor);
  expect(cursor.position).toBe(cursor.end);
  return value.toString('latin1', value.length - (cursor.end - cursor.starts[0]!));
}

function refusal(type: unknown, bytes: readonly number[]): string {
  try {
    skip(type, bytes);
  } catch (error) {
    if (error instanceof UndecodableRecordError) return `${error.reason}: ${error.message}`;
    throw error;
  }
  throw new Error('the value was skipped');
}

/** Zigzag and base 128, for any long. */
function long(value: bigint): number[] {
  let rest = value >= 0n ? value * 2n : -value * 2n - 1n;
  const bytes: number[] = [];
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

const ints = { type: 'array', items: 'int' };

describe('numbers', () => {
  test.each([
    0n,
    -1n,
    1n,
    63n,
    64n,
    -64n,
    -65n,
    2n ** 31n,
    -(2n ** 31n),
    2n ** 27n,
    2n ** 28n - 1n,
  ])('are exact: %d', (value) => expectExact(value));

  test('are exact up to 2^53', () => {
    for (let bits = 1n; bits <= 53n; bits++) {
      for (const value of [2n ** bits - 1n, -(2n ** bits) + 1n]) expectExact(value);
    }
  });

  test('above 2^53 are never taken for a smaller one', () => {
    const values = [2n ** 53n, 2n ** 60n + 1n, 2n ** 63n - 1n];
    for (const value of [...values, ...values.map((each) => -each), -(2n ** 63n)]) {
      expect(Number.isSafeInteger(read(value))).toBe(false);
      expect(Math.sign(read(value))).toBe(value > 0n ? 1 : -1);
    }
  });

  function read(value: bigint): number {
    const cursor = new AvroCursor(0);
    cursor.reset(Buffer.from(long(value)), 0);
    return readLong(cursor);
  }

  function expectExact(value: bigint): void {
    expect(read(value)).toBe(Number(value));
  }
});

describe('values that are read', () => {
  test.each<[string, unknown, number[], string]>([
    ['an odd branch', ['null', 'string'], [1, 2, 0x78], 'a branch that its union does not have'],
    ['a third branch', ['null', 'string'], [4], 'a branch that its union does not have'],
    ['an odd branch of null', ['string', 'null'], [3], 'a branch that its union does not have'],
    ['no branch', ['null', 'string'], [], 'it ends too early'],
    ['a branch without a text', ['null', 'string'], [2], 'it ends inside a number'],
    ['no text', 'string', [], 'it ends inside a number'],
    ['a text that is cut off', 'string', [4, 0x78], 'a length of 2 bytes, where 1 are left'],
    ['a long text that is cut off', 'string', [0x80, 1, 0x78], 'a length of 64 bytes, where 1 are'],
    ['a text of negative length', 'string', [3], 'a length is negative'],
    ['a fourth branch', ['null', 'int', 'string'], [6, 0], 'a branch that its union does not have'],
    ['a negative branch', ['null', 'int', 'string'], [1, 0], 'that its union does not have'],
  ])('are refused: %s', (_, type, bytes, message) => {
    const schema = { type: 'record', name: 'R', fields: [{ name: 'last', type }] };
    const cursor = new AvroCursor(1);
    const around = Buffer.alloc(9, 0);
    const all = Buffer.concat([Buffer.from(bytes), around]);
    cursor.reset(all.subarray(0, bytes.length), 0);
    expect(() => runProgram(compileWriterSchema(schema, SLOTS), cursor)).toThrow(message);
  });
});

describe('values that nobody reads', () => {
  test.each<[string, unknown, number[]]>([
    ['an empty array', ints, [0]],
    ['blocks of an array', ints, [4, 2, 4, 2, 6, 0]],
    ['a block with its size', ints, [3, 4, 2, 4, 0]],
    ['blocks of both kinds', ints, [3, 4, 2, 4, 2, 6, 0]],
    ['a map', { type: 'map', values: 'string' }, [2, 2, 0x6b, 2, 0x76, 0]],
    ['a map in a block with its size', { type: 'map', values: 'int' }, [1, 6, 2, 0x6b, 2, 0]],
    ['an array of arrays', { type: 'array', items: ints }, [4, 2, 2, 0, 0, 0]],
    ['an array of nulls', { type: 'array', items: 'null' }, [20, 0]],
    ['an empty record', { type: 'record', name: 'E', fields: [] }, []],
    ['fixed bytes of no size', { type: 'fixed', name: 'E', size: 0 }, []],
    ['a text of 100 bytes', 'string', [0xc8, 0x01, ...Array<number>(100).fill(0x61)]],
    ['a number of ten bytes', 'long', [...Array<number>(9).fill(0xff), 0x01]],
    ['a type in a type', { type: { type: { type: 'int' } } }, [2]],
  ])('are stepped over: %s', (_, type, bytes) => {
    expect(skip(type, bytes)).toBe('x');
  });

  test('find a type without a namespace from inside one, as Java does', () => {
    const mark = { type: 'enum', name: 'Mark', symbols: ['A'] };
    const inner = { type: 'record', name: 'in.Inner', fields: [{ name: 'mark', type: 'Mark' }] };
    expect(skip(inner, [0, 0], [mark])).toBe('x');
  });

  test('cost nothing when they have no bytes, however many of them are announced', () => {
    const empty = { type: 'record', name: 'E', fields: [{ name: 'n', type: 'null' }] };
    const many = Array<number[]>(20_000)
      .fill(long(2n ** 40n))
      .flat();
    for (const items of ['null', empty, { type: 'fixed', name: 'F', size: 0 }]) {
      expect(skip({ type: 'array', items }, [...many, 0])).toBe('x');
    }
    // 2^60 values without a byte, each record holding the one below it twice.
    const records = Array.from({ length: 60 }, (_, level) => {
      const inner = level === 0 ? 'null' : `D${level - 1}`;
      const fields = ['a', 'b'].map((name) => ({ name, type: inner }));
      return { type: 'record', name: `D${level}`, fields };
    });
    expect(skip('D59', [], records)).toBe('x');
  });

  const list = {
    type: 'record',
    name: 'List',
    fields: [{ name: 'next', type: ['null', 'List'] }],
  };
  const endless = { type: 'record', name: 'Endless', fields: [{ name: 'self', type: 'Endless' }] };

  test('may be nested 64 deep', () => {
    expect(skip(list, [...Array<number>(63).fill(2), 0])).toBe('x');
    // Beside one another there may be any number.
    const items = Array<number>(100).fill(0);
    expect(skip({ type: 'array', items: list }, [...long(100n), ...items, 0])).toBe('x');
  });

  test('do not count nesting of the record before', () => {
    const fields = [{ name: 'f', type: list }];
    const program = compileWriterSchema({ type: 'record', name: 'R', fields }, SLOTS);
    const cursor = new AvroCursor(1);
    cursor.reset(Buffer.alloc(100, 2), 0);
    expect(() => runProgram(program, cursor)).toThrow('nested too deeply');
    cursor.reset(Buffer.from([2, 0]), 0);
    runProgram(program, cursor);
    expect(cursor.position).toBe(cursor.end);
  });

  test.each<[string, unknown, number[], string]>([
    ['a list 65 deep', list, [...Array<number>(64).fill(2), 0], 'records are nested too deeply'],
    ['a list that never ends', list, Array<number>(100_000).fill(2), 'nested too deeply'],
    ['a record that holds itself', endless, [], 'nested too deeply'],
    ['a text longer than the value', 'string', [20], 'a length of 10 bytes, where 2 are left'],
    ['a text of negative length', 'string', [1], 'a length is negative'],
    ['a text of 2^62 bytes', 'string', long(2n ** 62n), 'a length of 4611686018427388000 bytes'],
    ['more items than bytes', ints, long(1000n), 'a block of 1000 items does not fit'],
    ['a block larger than the value', ints, [3, 20], 'a length of 10 bytes'],
    ['a block of negative size', ints, [3, 1], 'a length is negative'],
    ['an array without an end', ints, [2, 2], 'it ends inside a number'],
    ['fixed bytes longer than the value', { type: 'fixed', name: 'F', size: 9 }, [], 'too early'],
    ['a branch that does not exist', ['null', 'int'], [4], 'a branch that its union does not have'],
    ['a negative branch', ['null', 'int'], [1], 'a branch that its union does not have'],
    ['a number of eleven bytes', 'long', Array<number>(11).fill(0x80), 'more than 64 bits'],
  ])('are refused: %s', (_, type, bytes, message) => {
    expect(refusal(type, bytes)).toContain(`not_avro: the value is not Avro of its schema: `);
    expect(refusal(type, bytes)).toContain(message);
  });

  test.each<[string, unknown]>([
    ['a type that is not defined', 'Missing'],
    ['no type', undefined],
    ['a number', 7],
    ['an empty object', {}],
    ['an array without items', { type: 'array' }],
    ['a map without values', { type: 'map' }],
    ['fixed bytes without a size', { type: 'fixed', name: 'F' }],
    ['fixed bytes of a negative size', { type: 'fixed', name: 'F', size: -1 }],
  ])('are refused with their schema: %s', (_, type) => {
    expect(refusal(type, [0])).toContain('incompatible_schema: the writer');
  });
});
