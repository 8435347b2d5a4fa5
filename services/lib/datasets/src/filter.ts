import { InvalidJobError, type EventFilter } from '@trailpush/core';
import type { AuditField } from './audit-field.ts';
import { slotOf } from './audit-leaves.ts';
import type { LoadedEvent } from './loaded-event.ts';
import { parseFilter, type FilterLeaf, type FilterNode } from './filter-syntax.ts';

/**
 * Compiles a Logpush filter to a predicate over the bytes of the loaded record: strings are compared
 * as UTF-8, byte by byte and case-sensitively, and never decoded. An absent value is what the line
 * would show for it: the empty string.
 */
export function compileAuditFilter(
  fields: readonly AuditField[],
  reader: LoadedEvent,
  filter: string,
): EventFilter | undefined {
  const root = parseFilter(filter);
  if (!root) return undefined;
  const byName = new Map(fields.map((field) => [field.name, field]));
  return compileNode(root, (leaf) => {
    const field = byName.get(leaf.key);
    if (!field) throw invalid(leaf, `the dataset has no field ${JSON.stringify(leaf.key)}`);
    if (field.type === 'string') return compileText(leaf, reader, slotOf(field.leaf));
    if (field.type === 'timestamp') return compileInteger(leaf, reader, slotOf(field.leaf));
    throw invalid(leaf, `${leaf.key} is an object, and objects cannot be filtered`);
  });
}

function invalid(leaf: FilterLeaf, message: string): InvalidJobError {
  return new InvalidJobError(leaf.pointer, `filter${leaf.pointer}: ${message}`);
}

function compileNode(
  node: FilterNode,
  compileLeaf: (leaf: FilterLeaf) => EventFilter,
): EventFilter {
  if (node.kind === 'leaf') return compileLeaf(node);
  const filters = node.nodes.map((child) => compileNode(child, compileLeaf));
  const [first, second] = filters;
  if (first && !second) return first;
  if (node.kind === 'and') {
    if (first && second && filters.length === 2) return () => first() && second();
    return () => filters.every((test) => test());
  }
  if (first && second && filters.length === 2) return () => first() || second();
  return () => filters.some((test) => test());
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

function textTest(leaf: FilterLeaf, operator: string): BytesTest {
  if (operator === 'in') {
    const values = Array.isArray(leaf.value) ? (leaf.value as readonly unknown[]) : undefined;
    if (!values || values.length === 0 || !values.every((value) => typeof value === 'string')) {
      throw invalid(leaf, `${leaf.operator} on ${leaf.key} needs a list of strings`);
    }
    const tests = values.map((value) => equalTo(Buffer.from(value)));
    return (view, start, end) => tests.some((test) => test(view, start, end));
  }
  if (typeof leaf.value !== 'string') {
    throw invalid(leaf, `${leaf.operator} on ${leaf.key} needs a string`);
  }
  const wanted = Buffer.from(leaf.value);
  switch (operator) {
    case 'eq':
      return equalTo(wanted);
    case 'contains':
      return containing(wanted);
    case 'startsWith':
      return (view, start, end) => end - start >= wanted.length && matchesAt(view, start, wanted);
    case 'endsWith':
      return (view, start, end) =>
        end - start >= wanted.length && matchesAt(view, end - wanted.length, wanted);
    default:
      throw invalid(leaf, `operator ${leaf.operator} does not fit ${leaf.key}, which is a string`);
  }
}

function compileText(leaf: FilterLeaf, reader: LoadedEvent, slot: number): EventFilter {
  const { cursor } = reader;
  const test = textTest(leaf, leaf.operator.replace(/^!/, ''));
  const expected = !leaf.operator.startsWith('!');
  return () => {
    const start = cursor.starts[slot] ?? -1;
    return (
      (start < 0 ? test(cursor.view, 0, 0) : test(cursor.view, start, cursor.ends[slot] ?? 0)) ===
      expected
    );
  };
}

/** Nanoseconds, as a number or in digits, because Logpush shows integers in both forms. */
function parseNanos(leaf: FilterLeaf, value: unknown): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'string' && /^-?\d{1,19}$/.test(value)) return BigInt(value);
  throw invalid(
    leaf,
    `${leaf.operator} on ${leaf.key} needs an integer: nanoseconds since the epoch`,
  );
}

/** Timestamps are compared in nanoseconds, whatever timestamp_format the lines have. */
function compileInteger(leaf: FilterLeaf, reader: LoadedEvent, slot: number): EventFilter {
  const { integers } = reader.cursor;
  // Times are kept in microseconds: a bound between two of them sits at half past the lower one.
  const bound = (value: unknown): number => {
    const nanos = parseNanos(leaf, value);
    const micros = nanos >= 0n || nanos % 1000n === 0n ? nanos / 1000n : nanos / 1000n - 1n;
    return Number(micros) + (nanos % 1000n === 0n ? 0 : 0.5);
  };
  const read = () => integers[slot] ?? 0;
  if (leaf.operator === 'in' || leaf.operator === '!in') {
    const values = Array.isArray(leaf.value) ? (leaf.value as readonly unknown[]) : [];
    if (values.length === 0)
      throw invalid(leaf, `${leaf.operator} on ${leaf.key} needs a list of integers`);
    const wanted = new Set(values.map(bound));
    const expected = leaf.operator === 'in';
    return () => wanted.has(read()) === expected;
  }
  const wanted = bound(leaf.value);
  switch (leaf.operator) {
    case 'eq':
      return () => read() === wanted;
    case '!eq':
      return () => read() !== wanted;
    case 'lt':
      return () => read() < wanted;
    case 'leq':
      return () => read() <= wanted;
    case 'gt':
      return () => read() > wanted;
    case 'geq':
      return () => read() >= wanted;
    default:
      throw invalid(
        leaf,
        `operator ${leaf.operator} does not fit ${leaf.key}, which is a timestamp`,
      );
  }
}
