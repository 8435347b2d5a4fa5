import type { EventFilter, InvalidJobError } from '@trailpush/core';
import type { AuditField } from './audit-field.ts';
import { slotOf } from './audit-leaves.ts';
import { invalidFilter, parseFilter, type FilterLeaf, type FilterNode } from './filter-syntax.ts';
import type { LoadedEvent } from './loaded-event.ts';

/**
 * Compiles a Logpush filter to a predicate over the bytes of the loaded record: strings are compared
 * as UTF-8, byte by byte and case-sensitively, and never decoded. An absent value is what the line
 * would show for it: the empty string.
 */
export function compileAuditFilter(
  fields: readonly AuditField[],
  event: LoadedEvent,
  filter: string,
): EventFilter | undefined {
  const root = parseFilter(filter);
  if (!root) return undefined;
  const byName = new Map(fields.map((field) => [field.name, field]));
  return compileNode(root, (leaf) => {
    const field = byName.get(leaf.key);
    if (!field)
      throw invalidFilter(leaf.pointer, `the dataset has no field ${JSON.stringify(leaf.key)}`);
    if (field.type === 'string') return compileText(leaf, event, slotOf(field.leaf));
    if (field.type === 'timestamp') return compileTime(leaf, event, slotOf(field.leaf));
    throw invalidFilter(leaf.pointer, `${leaf.key} is an object, and objects cannot be filtered`);
  });
}

function compileNode(
  node: FilterNode,
  compileLeaf: (leaf: FilterLeaf) => EventFilter,
): EventFilter {
  if (node.kind === 'leaf') return compileLeaf(node);
  const filters = node.nodes.map((child) => compileNode(child, compileLeaf));
  // A chain of pairs: a call of `every` or `some` costs more than the comparisons inside it.
  return filters.reduceRight((rest, first) =>
    node.kind === 'and' ? () => first() && rest() : () => first() || rest(),
  );
}

type BytesTest = (view: DataView, start: number, end: number) => boolean;

function matchesAt(view: DataView, at: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.length; index++) {
    if (view.getUint8(at + index) !== wanted[index]) return false;
  }
  return true;
}

function equalTo(wanted: Uint8Array): BytesTest {
  return (view, start, end) => end - start === wanted.length && matchesAt(view, start, wanted);
}

function containing(wanted: Uint8Array): BytesTest {
  return (view, start, end) => {
    for (let at = start; at + wanted.length <= end; at++) {
      if (matchesAt(view, at, wanted)) return true;
    }
    return false;
  };
}

function startingWith(wanted: Uint8Array): BytesTest {
  return (view, start, end) => end - start >= wanted.length && matchesAt(view, start, wanted);
}

function endingWith(wanted: Uint8Array): BytesTest {
  return (view, start, end) =>
    end - start >= wanted.length && matchesAt(view, end - wanted.length, wanted);
}

const TEXT_TESTS = new Map([
  ['eq', equalTo],
  ['contains', containing],
  ['startsWith', startingWith],
  ['endsWith', endingWith],
]);
const TEXT_OPERATORS = [...TEXT_TESTS.keys(), 'in'].flatMap((name) => [name, `!${name}`]);
const TIME_OPERATORS = ['eq', '!eq', 'lt', 'leq', 'gt', 'geq', 'in', '!in'];

function compileText(leaf: FilterLeaf, { cursor }: LoadedEvent, slot: number): EventFilter {
  const test = textTest(leaf, leaf.operator.replace('!', ''));
  const expected = !leaf.operator.startsWith('!');
  const { starts, ends } = cursor;
  return () => {
    const start = starts[slot] ?? -1;
    const found = start < 0 ? test(cursor.view, 0, 0) : test(cursor.view, start, ends[slot] ?? 0);
    return found === expected;
  };
}

function textTest(leaf: FilterLeaf, operator: string): BytesTest {
  if (operator === 'in') {
    const tests = listOf(leaf, 'strings').map((value) => {
      if (typeof value !== 'string') throw wrongValue(leaf, 'a list of strings');
      return equalTo(Buffer.from(value));
    });
    return (view, start, end) => tests.some((test) => test(view, start, end));
  }
  const makeTest = TEXT_TESTS.get(operator);
  if (!makeTest) throw wrongOperator(leaf, 'a string', TEXT_OPERATORS);
  if (typeof leaf.value !== 'string') throw wrongValue(leaf, 'a string');
  return makeTest(Buffer.from(leaf.value));
}

/** Whole microseconds of a wanted time, and whether nothing is left of its nanoseconds. */
interface WantedTime {
  readonly micros: number;
  readonly exact: boolean;
}

/** Events have microseconds: a wanted time between two of them equals none, and lies behind the lower one. */
const TIME_TESTS = new Map<string, (time: number, wanted: WantedTime) => boolean>([
  ['eq', (time, { micros, exact }) => exact && time === micros],
  ['!eq', (time, { micros, exact }) => !exact || time !== micros],
  ['lt', (time, { micros, exact }) => (exact ? time < micros : time <= micros)],
  ['leq', (time, { micros }) => time <= micros],
  ['gt', (time, { micros }) => time > micros],
  ['geq', (time, { micros, exact }) => (exact ? time >= micros : time > micros)],
]);

/** Times are compared in nanoseconds, whatever timestamp_format the lines have. */
function compileTime(leaf: FilterLeaf, { cursor }: LoadedEvent, slot: number): EventFilter {
  const { integers } = cursor;
  if (leaf.operator === 'in' || leaf.operator === '!in') {
    const times = listOf(leaf, 'integers').map((value) => parseTime(leaf, value));
    const wanted = new Set(times.filter(({ exact }) => exact).map(({ micros }) => micros));
    const expected = leaf.operator === 'in';
    return () => wanted.has(integers[slot] ?? 0) === expected;
  }
  const test = TIME_TESTS.get(leaf.operator);
  if (!test) throw wrongOperator(leaf, 'a timestamp', TIME_OPERATORS);
  const wanted = parseTime(leaf, leaf.value);
  return () => test(integers[slot] ?? 0, wanted);
}

/** Nanoseconds, as a number or in digits, because Logpush shows integers in both forms. */
function parseTime(leaf: FilterLeaf, value: unknown): WantedTime {
  const nanos = toBigInt(value);
  if (nanos === undefined) {
    throw wrongValue(leaf, 'integers of at most 19 digits: nanoseconds since the epoch');
  }
  const rest = ((nanos % 1000n) + 1000n) % 1000n;
  return { micros: Number((nanos - rest) / 1000n), exact: rest === 0n };
}

function toBigInt(value: unknown): bigint | undefined {
  const digits = typeof value === 'string' ? value : String(value);
  const isNumeric =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint';
  return isNumeric && /^-?\d{1,19}$/.test(digits) ? BigInt(digits) : undefined;
}

function listOf(leaf: FilterLeaf, members: string): readonly unknown[] {
  const { value } = leaf;
  if (Array.isArray(value) && value.length > 0) return value;
  throw wrongValue(leaf, `a list of ${members}`);
}

function wrongValue({ operator, key, pointer }: FilterLeaf, wanted: string): InvalidJobError {
  return invalidFilter(pointer, `${operator} on ${key} needs ${wanted}`);
}

function wrongOperator(
  leaf: FilterLeaf,
  type: string,
  fitting: readonly string[],
): InvalidJobError {
  const { operator, key, pointer } = leaf;
  return invalidFilter(
    pointer,
    `${operator} does not fit ${key}, which is ${type}: use ${fitting.join(', ')}`,
  );
}
