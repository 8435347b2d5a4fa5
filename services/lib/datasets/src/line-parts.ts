import type { LineOptions, OutputType } from '@trailpush/core';
import { LITERAL_OVERRUN_BYTES, literal, type Literal } from './byte-copy.ts';
import type { Field, ObjectMember } from './field.ts';
import { timestampWriter, type TimestampWriter } from './timestamp.ts';

export const TEXT = 0;
export const BODY = 1;
export const TIMESTAMP = 2;
export const OBJECT = 3;
export const INTEGER = 4;
export const BOOL = 5;
export const CSV_TEXT = 6;
/** A body or an object, its quotes doubled. */
export const CSV_JSON = 7;
const END = 8;

/** A member of an object field, as far as it is there. */
export interface MemberPart {
  readonly slot: number;
  readonly isText: boolean;
  /** What stands before the value: behind the opening brace, and behind another member. */
  readonly asFirst: Literal;
  readonly asNext: Literal;
}

/** What stands before a value since the last one, and the value. All have one shape, for speed. */
export interface Part {
  readonly kind: number;
  readonly prefix: Literal;
  readonly slot: number;
  /** BODY, CSV_JSON: what is shown when it is absent. */
  readonly absent: Literal;
  /** OBJECT, and CSV_JSON of an object. */
  readonly members: readonly MemberPart[];
  readonly writeTime: TimestampWriter | undefined;
  /** BOOL */
  readonly trueText: Uint8Array;
}

/** Room for a timestamp, an integer, braces and quotes of one field or member. */
const MAX_VALUE_BYTES = 64;

const NO_VALUE = {
  kind: END,
  slot: 0,
  absent: literal('{}'),
  members: [],
  writeTime: undefined,
  trueText: Buffer.alloc(0),
};

/** Constants and values in turn; the quotes around a value are part of the constants beside it. */
export function compileParts(fields: readonly Field[], options: LineOptions): readonly Part[] {
  const { outputType, timestampFormat } = options;
  const writeTime = timestampWriter(timestampFormat);
  const byName = new Map(fields.map((field) => [field.name, field]));
  const parts: Part[] = [];
  let before = '';
  for (const part of options.parts) {
    if ('text' in part) {
      before += part.text;
      continue;
    }
    const field = byName.get(part.field);
    if (!field) throw new TypeError(`no field ${part.field}`);
    const quote = isQuoted(field, outputType) ? '"' : '';
    parts.push({ ...valueOf(field, outputType, writeTime), prefix: literal(before + quote) });
    before = quote;
  }
  return [...parts, { ...NO_VALUE, prefix: literal(before) }];
}

function isQuoted({ type }: Field, outputType: OutputType): boolean {
  return type === 'string' || (outputType === 'csv' && (type === 'object' || type === 'array'));
}

function valueOf(
  field: Field,
  outputType: OutputType,
  writeTime: TimestampWriter,
): Omit<Part, 'prefix'> {
  const isCsv = outputType === 'csv';
  if ('members' in field) {
    const members = field.members.map(memberPart);
    return { ...NO_VALUE, kind: isCsv ? CSV_JSON : OBJECT, members };
  }
  const value = { ...NO_VALUE, slot: field.slot };
  switch (field.type) {
    case 'string':
      return { ...value, kind: isCsv ? CSV_TEXT : TEXT };
    case 'int':
      return { ...value, kind: INTEGER };
    case 'bool':
      return { ...value, kind: BOOL, trueText: Buffer.from(field.trueText) };
    case 'timestamp':
      return { ...value, kind: TIMESTAMP, writeTime };
    case 'array':
      return { ...value, kind: isCsv ? CSV_JSON : BODY, absent: literal('[]') };
    case 'object':
      return { ...value, kind: isCsv ? CSV_JSON : BODY };
  }
}

function memberPart({ key, slot, isText }: ObjectMember): MemberPart {
  const name = `"${key}":${isText ? '"' : ''}`;
  return { slot, isText, asFirst: literal(`{${name}`), asNext: literal(`,${name}`) };
}

/** Most bytes that a part takes apart from its texts and bodies. */
export function maxConstantBytes({ prefix, members, kind }: Part): number {
  // Doubling can at most double names of members and their punctuation.
  const factor = kind === CSV_JSON ? 2 : 1;
  return members.reduce(
    (sum, { asNext }) => sum + factor * (asNext.length + MAX_VALUE_BYTES),
    prefix.length + MAX_VALUE_BYTES + LITERAL_OVERRUN_BYTES,
  );
}

/** How often the most used value is written. */
export function mostCopies(parts: readonly Part[]): number {
  const counts = new Map<number, number>();
  for (const { kind, slot, members } of parts) {
    const slots = members.length > 0 ? members.map((member) => member.slot) : [slot];
    if (kind !== END) for (const used of slots) counts.set(used, (counts.get(used) ?? 0) + 1);
  }
  return Math.max(1, ...counts.values());
}
