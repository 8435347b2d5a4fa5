import { InvalidJobError } from '@trailpush/core';
import { foreignDataset } from '@trailpush/test/kit/foreign-dataset.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

/** Filters on every type that a field can have, whatever datasets there are. */
const dataset = foreignDataset('every_type', {
  ...{ Text: 'string', Other: 'string', Count: 'int', Flag: 'bool', Time: 'timestamp' },
  ...{ List: 'array', Thing: 'object' },
});
const reader = dataset.openReader();

type Row = Partial<{
  Text: string;
  Other: string;
  Count: number;
  Flag: boolean;
  Time: string;
  List: (string | number)[];
}>;
type Leaf = { key: keyof Row; operator: string; value: unknown };
type Node = Leaf | { and: Node[] } | { or: Node[] };

function matches(row: Row, where: Node): boolean {
  reader.load(Buffer.from(JSON.stringify(row)), Buffer.alloc(0));
  return reader.compileFilter(JSON.stringify({ where }))?.() ?? true;
}

function refusal(where: unknown): string | undefined {
  try {
    dataset.checkFilter(JSON.stringify({ where }));
    return undefined;
  } catch (error) {
    if (error instanceof InvalidJobError) return error.message;
    throw error;
  }
}

/** The documentation, word for word: absent values are the zero of their type. */
function naive(row: Row, node: Node): boolean {
  if ('and' in node) return !node.and.some((child) => !naive(row, child));
  if ('or' in node) return node.or.some((child) => naive(row, child));
  const { key, operator, value } = node;
  const zero = { Text: '', Other: '', Count: 0, Flag: false, Time: '0', List: [] };
  const own: unknown = row[key] ?? zero[key];
  const asNumber = (each: unknown) => BigInt(String(each));
  switch (operator) {
    case 'eq':
      return String(own) === String(value);
    case '!eq':
      return String(own) !== String(value);
    case 'lt':
      return asNumber(own) < asNumber(value);
    case 'leq':
      return asNumber(own) <= asNumber(value);
    case 'gt':
      return asNumber(own) > asNumber(value);
    case 'geq':
      return asNumber(own) >= asNumber(value);
    case 'in':
      return (value as unknown[]).map(String).includes(String(own));
    case '!in':
      return !(value as unknown[]).map(String).includes(String(own));
    case 'startsWith':
      return String(own).startsWith(String(value));
    case '!startsWith':
      return !String(own).startsWith(String(value));
    case 'endsWith':
      return String(own).endsWith(String(value));
    case '!endsWith':
      return !String(own).endsWith(String(value));
    default: {
      const found = Array.isArray(own)
        ? own.map(String).includes(String(value))
        : String(own).includes(String(value));
      return found === (operator === 'contains');
    }
  }
}

const word = fc.constantFrom('', 'a', 'ab', 'abc', 'b', 'bc', 'A', '"', 'é', '1', '12');
const small = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(2 ** 31, -(2 ** 40)));
const time = fc
  .bigInt({ min: -2n, max: 2n })
  .map((offset) => String(1_708_213_921_123_456_789n + offset));
/** Logpush shows scalars both as they are and as texts. */
const either = <T extends string | number | boolean>(value: fc.Arbitrary<T>) =>
  fc.tuple(value, fc.boolean()).map(([each, isText]) => (isText ? String(each) : each));
const listOf = <T>(value: fc.Arbitrary<T>) => fc.array(value, { minLength: 1, maxLength: 3 });
const condition = (key: keyof Row, operators: readonly string[], value: fc.Arbitrary<unknown>) =>
  fc.record({ key: fc.constant(key), operator: fc.constantFrom(...operators), value });

const EQUALITY = ['eq', '!eq'];
const ORDER = ['lt', 'leq', 'gt', 'geq'];
const AFFIXES = ['startsWith', '!startsWith', 'endsWith', '!endsWith', 'contains', '!contains'];

const leaf = fc.oneof(
  ...(['Text', 'Other'] as const).flatMap((key) => [
    condition(key, [...EQUALITY, ...AFFIXES], word),
    condition(key, ['in', '!in'], listOf(word)),
  ]),
  condition('Count', [...EQUALITY, ...ORDER], either(small)),
  condition('Count', ['in', '!in'], listOf(either(small))),
  condition('Flag', EQUALITY, either(fc.boolean())),
  condition('Time', [...EQUALITY, ...ORDER], time),
  condition('Time', ['in', '!in'], listOf(time)),
  condition('List', ['contains', '!contains'], fc.oneof(word, small)),
);
const node: fc.Arbitrary<Node> = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('node'), { minLength: 1, maxLength: 4 }).map((and) => ({ and })),
    fc.array(tie('node'), { minLength: 1, maxLength: 4 }).map((or) => ({ or })),
  ),
})).node;

const row: fc.Arbitrary<Row> = fc.record(
  {
    ...{ Text: word, Other: word, Count: small, Flag: fc.boolean(), Time: time },
    List: fc.array(fc.oneof(word, small), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);

describe('a filter over every type', () => {
  test('lets through what the documentation says, absent values included', () => {
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(node, listOf(row), (where, rows) => {
        fc.pre(refusal(where) === undefined);
        for (const each of rows) {
          const wanted = naive(each, where);
          seen[`${wanted}`]++;
          expect(matches(each, where)).toBe(wanted);
        }
      }),
      { numRuns: 1000 },
    );
    expect(Math.min(seen.true, seen.false)).toBeGreaterThan(300);
  });

  const OPERATORS = [...EQUALITY, ...ORDER, ...AFFIXES, 'in', '!in'];
  const FITTING: Readonly<Record<string, readonly string[]>> = {
    Text: [...EQUALITY, ...AFFIXES, 'in', '!in'],
    Count: [...EQUALITY, ...ORDER, 'in', '!in'],
    Time: [...EQUALITY, ...ORDER, 'in', '!in'],
    Flag: EQUALITY,
    List: ['contains', '!contains'],
    Thing: [],
  };
  const VALUES: Readonly<Record<string, unknown>> = { Count: 1, Time: 1, Flag: true };

  test.each(Object.keys(FITTING))('has exactly the operators that fit %s', (key) => {
    const accepted = OPERATORS.filter((operator) => {
      const value = VALUES[key] ?? 'x';
      const isList = operator.endsWith('in');
      return refusal({ key, operator, value: isList ? [value] : value }) === undefined;
    });
    expect(accepted.toSorted()).toEqual((FITTING[key] ?? []).toSorted());
  });

  test.each<[string, string, unknown, string]>([
    ['Count', 'eq', 1.5, 'eq on Count needs integers of at most 19 digits'],
    ['Count', 'eq', '0x1', 'eq on Count needs integers'],
    ['Count', 'in', '200,201', 'in on Count needs a list of integers'],
    ['Count', 'in', [], 'in on Count needs a list of integers'],
    ['Count', 'in', [null], 'in on Count needs integers'],
    ['Count', 'contains', '1', 'contains does not fit Count, which is an integer: use eq, !eq'],
    ['Flag', 'eq', 'yes', 'eq on Flag needs true or false'],
    ['Flag', 'eq', 1, 'eq on Flag needs true or false'],
    ['Flag', 'in', [true], 'in does not fit Flag, which is a bool: use eq, !eq'],
    ['List', 'eq', 'x', 'eq does not fit List, which is an array: use contains, !contains'],
    ['List', 'contains', true, 'contains on List needs a string or a number'],
    ['Thing', 'eq', 'x', 'Thing is an object, and objects cannot be filtered'],
    ['Text', 'eq', 1, 'eq on Text needs a string'],
    ['Text', 'lt', 'x', 'lt does not fit Text, which is a string'],
  ])('says what is wrong with %s %s %j', (key, operator, value, message) => {
    const leaf = { key, operator, value };
    expect(refusal(leaf)).toContain(`filter: ${message}`);
    expect(refusal({ and: [{ key: 'Text', operator: 'eq', value: 'x' }, leaf] })).toContain(
      `filter: element 1 in And is invalid: ${message}`,
    );
  });
});
