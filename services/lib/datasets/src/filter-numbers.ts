import type { EventFilter } from '@trailpush/core';
import { listOf, wrongOperator, wrongValue, type FilterLeaf } from './filter-syntax.ts';
import type { LoadedEvent } from './loaded-event.ts';

/** A number, or a time as microseconds with the nanoseconds beyond (0 for other numbers). */
interface Wanted {
  readonly whole: number;
  readonly nanos: number;
}

const TESTS = new Map<string, (whole: number, nanos: number, wanted: Wanted) => boolean>([
  ['eq', (whole, nanos, wanted) => whole === wanted.whole && nanos === wanted.nanos],
  ['!eq', (whole, nanos, wanted) => whole !== wanted.whole || nanos !== wanted.nanos],
  ['lt', isBelow],
  ['leq', (whole, nanos, wanted) => !isAbove(whole, nanos, wanted)],
  ['gt', isAbove],
  ['geq', (whole, nanos, wanted) => !isBelow(whole, nanos, wanted)],
]);
const OPERATORS = [...TESTS.keys(), 'in', '!in'];

function isBelow(whole: number, nanos: number, wanted: Wanted): boolean {
  return whole < wanted.whole || (whole === wanted.whole && nanos < wanted.nanos);
}

function isAbove(whole: number, nanos: number, wanted: Wanted): boolean {
  return whole > wanted.whole || (whole === wanted.whole && nanos > wanted.nanos);
}

/** Compared as integers; the value is a number or its digits, as Logpush shows both. */
export function compileInteger(leaf: FilterLeaf, event: LoadedEvent, slot: number): EventFilter {
  const parse = (value: unknown): Wanted => {
    const integer = toBigInt(value);
    if (integer === undefined) throw wrongValue(leaf, 'integers of at most 19 digits');
    return { whole: Number(integer), nanos: 0 };
  };
  const { starts, integers } = event.cursor;
  const test = compileTest(leaf, 'an integer', parse);
  return () => test((starts[slot] ?? -1) < 0 ? 0 : (integers[slot] ?? 0), 0);
}

/** Times are compared in nanoseconds, whatever timestamp_format the lines have. */
export function compileTime(leaf: FilterLeaf, event: LoadedEvent, slot: number): EventFilter {
  const parse = (value: unknown): Wanted => {
    const time = toBigInt(value);
    if (time === undefined) {
      throw wrongValue(leaf, 'integers of at most 19 digits: nanoseconds since the epoch');
    }
    const nanos = ((time % 1000n) + 1000n) % 1000n;
    return { whole: Number((time - nanos) / 1000n), nanos: Number(nanos) };
  };
  const { starts, integers, ends } = event.cursor;
  const test = compileTest(leaf, 'a timestamp', parse);
  return () => ((starts[slot] ?? -1) < 0 ? test(0, 0) : test(integers[slot] ?? 0, ends[slot] ?? 0));
}

function compileTest(
  leaf: FilterLeaf,
  type: string,
  parse: (value: unknown) => Wanted,
): (whole: number, nanos: number) => boolean {
  const { operator } = leaf;
  if (operator === 'in' || operator === '!in') {
    const list = listOf(leaf, 'integers').map(parse);
    const expected = operator === 'in';
    return (whole, nanos) => {
      for (const each of list) if (whole === each.whole && nanos === each.nanos) return expected;
      return !expected;
    };
  }
  const test = TESTS.get(operator);
  if (!test) throw wrongOperator(leaf, type, OPERATORS);
  const wanted = parse(leaf.value);
  return (whole, nanos) => test(whole, nanos, wanted);
}

function toBigInt(value: unknown): bigint | undefined {
  const digits = typeof value === 'string' ? value : String(value);
  const isNumeric =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint';
  return isNumeric && /^-?\d{1,19}$/.test(digits) ? BigInt(digits) : undefined;
}
