import type { EventFilter } from '@trailpush/core';
import { isText, matchesAt } from './byte-match.ts';
import type { Field } from './field.ts';
import { listOf, wrongOperator, wrongValue, type FilterLeaf } from './filter-syntax.ts';
import type { LoadedEvent } from './loaded-event.ts';

/** Conditions on what lies in the record as text. Texts are compared byte by byte, and never decoded. */
type BytesTest = (view: DataView, start: number, end: number) => boolean;

function equalTo(wanted: Uint8Array): BytesTest {
  return (view, start, end) => isText(view, start, end, wanted);
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

/** eq, contains, startsWith, endsWith, in, and their negations. Case counts. */
export function compileText(leaf: FilterLeaf, { cursor }: LoadedEvent, slot: number): EventFilter {
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
    return (view, start, end) => {
      for (const test of tests) if (test(view, start, end)) return true;
      return false;
    };
  }
  const makeTest = TEXT_TESTS.get(operator);
  if (!makeTest) throw wrongOperator(leaf, 'a string', TEXT_OPERATORS);
  if (typeof leaf.value !== 'string') throw wrongValue(leaf, 'a string');
  return makeTest(Buffer.from(leaf.value));
}

/** eq and !eq; the value may be a text, as that of an integer. */
export function compileBool(
  leaf: FilterLeaf,
  { cursor }: LoadedEvent,
  { slot, trueText }: Extract<Field, { type: 'bool' }>,
): EventFilter {
  if (leaf.operator !== 'eq' && leaf.operator !== '!eq') {
    throw wrongOperator(leaf, 'a bool', ['eq', '!eq']);
  }
  const text = String(leaf.value);
  if (text !== 'true' && text !== 'false') throw wrongValue(leaf, 'true or false');
  const expected = (text === 'true') === (leaf.operator === 'eq');
  const wanted = Buffer.from(trueText);
  const { starts, ends } = cursor;
  return () => {
    const start = starts[slot] ?? -1;
    return (start >= 0 && isText(cursor.view, start, ends[slot] ?? 0, wanted)) === expected;
  };
}

/** contains and !contains: whether one element is the value as a whole. */
export function compileArray(leaf: FilterLeaf, { cursor }: LoadedEvent, slot: number): EventFilter {
  if (leaf.operator !== 'contains' && leaf.operator !== '!contains') {
    throw wrongOperator(leaf, 'an array', ['contains', '!contains']);
  }
  const { value } = leaf;
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw wrongValue(leaf, 'a string or a number');
  }
  const wanted = String(value);
  const expected = leaf.operator === 'contains';
  const { starts, ends } = cursor;
  return () => {
    const start = starts[slot] ?? -1;
    if (start < 0) return !expected;
    const length = (ends[slot] ?? 0) - start;
    // Elements may be written with escapes, so that their bytes say nothing.
    const json = Buffer.from(cursor.view.buffer, cursor.view.byteOffset + start, length).toString();
    return hasElement(JSON.parse(json), wanted) === expected;
  };
}

function hasElement(elements: unknown, wanted: string): boolean {
  return Array.isArray(elements) && elements.some((element) => String(element) === wanted);
}
