import avro from 'avsc';
import fc from 'fast-check';

/**
 * Audit events for property tests, with texts as bytes, so that they can be what no JavaScript string
 * can be. Written by `encodeWithBytes`, they are records like any other.
 */
export type EventOfBytes = Record<string, unknown>;

/** What breaks lines, strings or escapes, and what only looks as if it did. */
const ODD_CHARACTERS = [
  ...['\u0000', '\u0007', '\b', '\t', '\n', '\u000b', '\f', '\r', '\u001b', '\u001f', '\u007f'],
  ...[
    '"',
    '\\',
    '/',
    '\u0080',
    '\u0084',
    '\u0085',
    '\u0086',
    '\u00a0',
    '\u2027',
    '\u2028',
    '\u2029',
  ],
  ...['\u202a', '\ufeff', '\uffff', 'é', '中', '😀', '\u{10ffff}', '<&>', '${x}', '{}', 'abcdefgh'],
];

/** Leads, continuations and borders of UTF-8, among plain letters. */
const ODD_BYTES = [
  ...[0x00, 0x0a, 0x0d, 0x1f, 0x20, 0x22, 0x41, 0x5c, 0x7f, 0x80, 0x85, 0x8f, 0x90, 0x9f, 0xa0],
  ...[0xa8, 0xa9, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff],
];

const oddText = fc
  .array(fc.constantFrom(...ODD_CHARACTERS), { maxLength: 12 })
  .map((parts) => parts.join(''));

/** A text in valid UTF-8. */
export const textArbitrary: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 2, arbitrary: oddText },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
);

const textBytes: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: textArbitrary.map((text) => Buffer.from(text)) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.constantFrom(...ODD_BYTES), { maxLength: 16 })
      .map((bytes) => Buffer.from(bytes)),
  },
);

const space = fc.constantFrom('', '', '', ' ', '\n', '\r', '\r\n', '\t', '\n  ');
const jsonNumber = fc.stringMatching(/^-?(0|[1-9]\d{0,20})(\.\d{1,20})?([eE][+-]?\d{1,3})?$/);
const jsonEscape = fc.stringMatching(/^\\(["\\/bfnrt]|u[0-9a-fA-F]{4})$/);
const jsonString = fc
  .array(
    fc.oneof(
      textArbitrary.map((text) => JSON.stringify(text).slice(1, -1)),
      jsonEscape,
    ),
    {
      maxLength: 3,
    },
  )
  .map((parts) => `"${parts.join('')}"`);

/** JSON as any producer may write it: odd numbers, escapes, white space, raw line separators. */
export const jsonTextArbitrary: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => {
  const padded = fc.tuple(space, tie('value'), space).map((parts) => parts.join(''));
  const member = fc
    .tuple(space, jsonString, space, tie('value'), space)
    .map(([before, key, between, value, after]) => `${before}${key}${between}:${value}${after}`);
  const container = (open: string, item: fc.Arbitrary<string>, close: string) =>
    fc
      .tuple(space, fc.array(item, { maxLength: 4 }))
      .map(([inside, items]) => open + (items.length === 0 ? inside : items.join(',')) + close);
  return {
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('true', 'false', 'null'),
      jsonNumber,
      jsonString,
      container('[', padded, ']'),
      container('{', member, '}'),
    ),
  };
}).value;

const body = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(null, Buffer.alloc(0)) },
  { weight: 4, arbitrary: jsonTextArbitrary.map((text) => Buffer.from(text)) },
);

/** Beyond it avsc loses the sign of numbers, in both directions. */
export const MAX_AVSC_LONG = 2 ** 52 - 1;

/** Microseconds since the epoch: today's, those around a full second, and the ends of what is exact. */
export const microsArbitrary: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 1_500_000_000_000_000, max: 2_000_000_000_000_000 }),
  fc.integer({ min: -MAX_AVSC_LONG, max: MAX_AVSC_LONG }),
  fc
    .tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -2, max: 2 }))
    .map(([seconds, micros]) => seconds * 1_000_000 + micros),
  fc.constantFrom(-MAX_AVSC_LONG, MAX_AVSC_LONG, 1_708_213_921_123_456),
);

const text = fc.option(textBytes);
const named = fc.record({ id: textBytes, name: text });
const owner = fc.oneof(
  fc.record({ account: named, organization: fc.option(named) }),
  fc.record({ account: fc.constant(null), organization: named }),
);

/** Events whose bodies are JSON and whose account or organization is there: all of them have a line. */
export const eventArbitrary: fc.Arbitrary<EventOfBytes> = fc
  .tuple(
    owner,
    fc.record({
      id: textBytes,
      action: fc.record({ description: text, result: text, time: microsArbitrary, type: text }),
      actor: fc.record({
        context: text,
        email: text,
        id: text,
        ip_address: text,
        token_id: text,
        token_name: text,
        type: text,
      }),
      raw: fc.record({
        cf_ray_id: text,
        method: text,
        status_code: fc.option(fc.integer()),
        uri: text,
        user_agent: text,
      }),
      resource: fc.record({
        id: text,
        product: text,
        request: body,
        response: body,
        scope: text,
        type: text,
        value: body,
      }),
      zone: fc.option(fc.record({ id: text, name: text })),
      interface: text,
      owner: fc.option(fc.record({ id: textBytes })),
      metadata: body,
      old_value: body,
      new_value: body,
    }),
  )
  .map(([owners, rest]) => ({ ...owners, ...rest }));

/** The account that routes the event: its account's id, else its organization's. */
export function keyOf(event: EventOfBytes): Buffer {
  const { account, organization } = event as Record<string, { id: Buffer } | null | undefined>;
  const key = account?.id ?? organization?.id;
  if (!key) throw new TypeError('the event has neither account nor organization');
  return key;
}

function withBytes(schema: unknown): unknown {
  if (schema === 'string') return 'bytes';
  if (Array.isArray(schema)) return schema.map(withBytes);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [
      name,
      name === 'type' || name === 'fields' ? withBytes(value) : (value as unknown),
    ]),
  );
}

/** Encodes events of bytes as `schema` would encode texts: the two look the same on the wire. */
export function encoderOfBytes(schema: object): (event: EventOfBytes) => Buffer {
  const type = avro.Type.forSchema(withBytes(schema) as avro.Schema);
  return (event) => type.toBuffer(event);
}
