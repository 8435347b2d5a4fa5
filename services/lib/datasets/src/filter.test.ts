import { InvalidJobError } from '@trailpush/core';
import { textArbitrary } from '@trailpush/test/kit/audit-event-arbitrary.ts';
import { EXAMPLE_EVENT } from '@trailpush/test/kit/audit-event-example.ts';
import { textOfField } from '@trailpush/test/kit/line-oracle.ts';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AuditEvent } from './audit-event.ts';
import { encodeEvent } from './event-codec.ts';
import { datasets } from './registry.ts';
import { WriterSchemas } from './writer-schemas.ts';

const dataset = datasets(new WriterSchemas({})).get('audit_logs_v2')!;
const reader = dataset.openReader();

interface FilterCase {
  readonly id: string;
  readonly filter: string;
  readonly valid?: boolean;
  readonly error?: string;
  /** Fields as a line would show them; times in nanoseconds. */
  readonly record?: Readonly<Record<string, string | number>>;
  readonly expect?: boolean;
}

const CASES = JSON.parse(
  readFileSync(new URL('../../../../test/cases/filters.json', import.meta.url), 'utf8'),
) as FilterCase[];

function matches(event: AuditEvent, filter: string): boolean {
  expect(reader.load(encodeEvent(event), Buffer.from(event.account!.id))).toBe(true);
  return reader.compileFilter(filter)?.() ?? true;
}

function refusal(filter: string): InvalidJobError | undefined {
  try {
    dataset.checkFilter(filter);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidJobError) return error;
    throw error;
  }
}

/** An event that has these fields and no others of the kind that the cases use. */
function eventOf(record: Readonly<Record<string, string | number>>): AuditEvent {
  const text = (name: string) => (name in record ? String(record[name]) : null);
  return {
    ...EXAMPLE_EVENT,
    zone: { id: null, name: text('ZoneName') },
    action: {
      description: text('ActionDescription'),
      result: text('ActionResult'),
      time: Number(record['ActionTimestamp'] ?? 0) / 1000,
      type: text('ActionType'),
    },
    actor: { ...EXAMPLE_EVENT.actor, email: text('ActorEmail') },
  };
}

describe('a filter', () => {
  test.each(CASES.filter((each) => each.valid !== undefined))(
    '$id is judged: $valid',
    ({ filter, valid, error }) => {
      const refused = refusal(filter);
      expect(refused === undefined).toBe(valid);
      if (error !== undefined) expect(refused?.message).toContain(error);
      if (refused) expect(refused.message).toMatch(/^filter: /);
    },
  );

  test.each(CASES.filter(({ record }) => record !== undefined))(
    '$id lets through: $expect',
    ({ filter, record, expect: wanted }) => {
      expect(matches(eventOf(record!), filter)).toBe(wanted);
    },
  );

  test('never looks at what lies behind or before a text', () => {
    // In the record `a` is followed by the tag, the length and the text of the next field.
    const event = { ...EXAMPLE_EVENT, actor: { ...EXAMPLE_EVENT.actor, email: 'a', id: 'b' } };
    const condition = (operator: string, value: string) =>
      JSON.stringify({ where: { key: 'ActorEmail', operator, value } });
    for (const operator of ['eq', 'startsWith', 'endsWith', 'contains']) {
      expect(matches(event, condition(operator, 'a'))).toBe(true);
      for (const value of ['a\u0002', 'a\u0002\u0002b', '\u0002', '\u0002a', '\u0002\u0002a']) {
        expect(matches(event, condition(operator, value))).toBe(false);
      }
    }
  });

  test('points at the condition that is wrong', () => {
    const leaf = { key: 'ActionType', operator: 'eq', value: 'x' };
    const pointerOf = (where: unknown) => refusal(JSON.stringify({ where }))?.pointer;
    expect(pointerOf({ ...leaf, key: 'Nope' })).toBe('/where');
    expect(pointerOf({ or: [leaf, { and: [{ ...leaf, operator: 'lt' }] }] })).toBe(
      '/where/or/1/and/0',
    );
    expect(pointerOf({ or: [] })).toBe('/where/or');
    expect(refusal('{')?.pointer).toBe('');
  });

  test('may have 1,000 bytes, and no more', () => {
    const filter = (chars: number) =>
      `{"where":{"key":"ActorEmail","operator":"eq","value":"${'x'.repeat(chars)}"}}`;
    const rest = 1000 - filter(0).length;
    expect(refusal(filter(rest))).toBeUndefined();
    expect(refusal(filter(rest + 1))?.message).toBe(
      'filter: it has 1001 bytes, and 1000 are allowed',
    );
  });
});

type Leaf = { key: string; operator: string; value: string | string[] };
type Node = Leaf | { and: Node[] } | { or: Node[] };

const TEXT_FIELDS = dataset.fields.filter(({ type }) => type === 'string').map(({ name }) => name);
/** Few texts that are parts of one another, so that all operators find and miss. */
const word = fc.oneof(
  fc.constantFrom('', 'a', 'ab', 'abc', 'b', 'bc', 'A', 'é', 'e', '\u0301', '\u2028', '"'),
  textArbitrary.map((text) => text.slice(0, 6).toWellFormed()),
);

function naive(event: AuditEvent, node: Node): boolean {
  if ('and' in node) return node.and.every((child) => naive(event, child));
  if ('or' in node) return node.or.some((child) => naive(event, child));
  const { key, operator, value } = node;
  if (operator.startsWith('!')) return !naive(event, { key, operator: operator.slice(1), value });
  if (key === 'ActionTimestamp') {
    const time = BigInt(event.action.time) * 1000n;
    const numbers = [value].flat().map(BigInt);
    const [number = 0n] = numbers;
    if (operator === 'in') return numbers.includes(time);
    if (operator === 'eq') return time === number;
    if (operator === 'lt') return time < number;
    if (operator === 'leq') return time <= number;
    return operator === 'gt' ? time > number : time >= number;
  }
  const text = textOfField(event, key) ?? '';
  if (Array.isArray(value)) return value.includes(text);
  if (operator === 'eq') return text === value;
  if (operator === 'contains') return text.includes(value);
  return operator === 'startsWith' ? text.startsWith(value) : text.endsWith(value);
}

const micros = fc.integer({ min: -5, max: 5 }).map((offset) => 1_708_213_921_123_456 + offset);
const nanos = fc
  .tuple(micros, fc.constantFrom(0n, 0n, 1n, 999n))
  .map(([time, rest]) => String(BigInt(time) * 1000n + rest));

const leafArbitrary: fc.Arbitrary<Node> = fc.oneof(
  fc.record({
    key: fc.constantFrom(...TEXT_FIELDS),
    operator: fc.constantFrom(
      ...[
        'eq',
        '!eq',
        'contains',
        '!contains',
        'startsWith',
        '!startsWith',
        'endsWith',
        '!endsWith',
      ],
    ),
    value: word,
  }),
  fc.record({
    key: fc.constantFrom(...TEXT_FIELDS),
    operator: fc.constantFrom('in', '!in'),
    value: fc.array(word, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    key: fc.constant('ActionTimestamp'),
    operator: fc.constantFrom('eq', '!eq', 'lt', 'leq', 'gt', 'geq'),
    value: nanos,
  }),
  fc.record({
    key: fc.constant('ActionTimestamp'),
    operator: fc.constantFrom('in', '!in'),
    value: fc.array(nanos, { minLength: 1, maxLength: 3 }),
  }),
);

const nodeArbitrary: fc.Arbitrary<Node> = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leafArbitrary,
    fc.array(tie('node'), { minLength: 1, maxLength: 4 }).map((and) => ({ and })),
    fc.array(tie('node'), { minLength: 1, maxLength: 4 }).map((or) => ({ or })),
  ),
})).node;

const valueOf = fc.option(word);
const eventArbitrary: fc.Arbitrary<AuditEvent> = fc
  .record({
    account: fc.record({ id: word, name: valueOf }),
    zone: fc.option(fc.record({ id: valueOf, name: valueOf })),
    texts: fc.array(valueOf, { minLength: 12, maxLength: 12 }),
    time: micros,
    id: word,
  })
  .map(({ account, zone, texts, time, id }) => {
    const [a = null, b = null, c = null, d = null, e = null, f = null, g = null] = texts;
    const [, , , , , , , h = null, i = null, j = null, k = null, l = null] = texts;
    return {
      ...EXAMPLE_EVENT,
      ...{ id, account, zone },
      action: { description: a, result: b, time, type: c },
      actor: { ...EXAMPLE_EVENT.actor, context: d, email: e, id: f, ip_address: g, type: h },
      resource: { ...EXAMPLE_EVENT.resource, id: i, product: j, scope: k, type: l },
    };
  });

describe('a compiled filter', () => {
  test('lets through what a naive one over decoded events does', () => {
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(
        nodeArbitrary,
        fc.array(eventArbitrary, { minLength: 1, maxLength: 5 }),
        (node, events) => {
          const filter = JSON.stringify({ where: node });
          fc.pre(refusal(filter) === undefined);
          for (const event of events) {
            const wanted = naive(event, node);
            seen[`${wanted}`]++;
            expect(matches(event, filter)).toBe(wanted);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(Math.min(seen.true, seen.false)).toBeGreaterThan(500);
  });
});
