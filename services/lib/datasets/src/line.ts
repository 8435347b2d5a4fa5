import type { LineWriter, OutputOptions, TimestampFormat } from '@trailpush/core';
import type { AuditField, ObjectMembers } from './audit-field.ts';
import { kindOf, slotOf } from './audit-leaves.ts';
import {
  copyUtf8,
  literal,
  LITERAL_OVERRUN_BYTES,
  writeAscii,
  writeLiteral,
  type Literal,
} from './byte-copy.ts';
import { copyRewritten } from './json-body.ts';
import { writeJsonText } from './json-string.ts';
import type { LoadedEvent } from './loaded-event.ts';
import { timestampWriter, type TimestampWriter } from './timestamp.ts';

const TEXT = 0;
const BODY = 1;
const TIMESTAMP = 2;
const OBJECT = 3;
const END = 4;

/** A member of an object field, as far as it is there. */
interface MemberPart {
  readonly slot: number;
  readonly isText: boolean;
  /** What stands before the value: behind the opening brace, and behind another member. */
  readonly asFirst: Literal;
  readonly asNext: Literal;
}

/** What stands before a value since the last one, and the value. All have one shape, for speed. */
interface Part {
  readonly kind: number;
  readonly prefix: Literal;
  readonly slot: number;
  readonly members: readonly MemberPart[];
  readonly writeTime: TimestampWriter | undefined;
}

/** No byte of a text becomes more than six (`\u001f`), and none of a body more than three (`\u0085`). */
const MAX_TEXT_EXPANSION = 6;
const MAX_BODY_EXPANSION = 3;
/** Room for a timestamp, an integer, braces and quotes of one field or member. */
const MAX_VALUE_BYTES = 64;

/** Compiles the options of a job to a writer of NDJSON lines from the loaded record. */
export function compileAuditLine(
  fields: readonly AuditField[],
  event: LoadedEvent,
  options: OutputOptions,
): LineWriter {
  const parts = compileParts(fields, options);
  const constantBytes = parts.reduce((sum, part) => sum + maxConstantBytes(part), 0);
  return (into, at) => {
    const { cursor } = event;
    const room = into.length - at - constantBytes;
    // The first bound is cheap and nearly always enough.
    if (room < (cursor.end - cursor.start) * MAX_TEXT_EXPANSION) {
      if (room < maxValueBytes(parts, event)) return -1;
    }
    return writeParts(parts, event, viewOf(into), at);
  };
}

/** Jobs share one line buffer, so its view is made once. */
let lastBuffer: Buffer | undefined;
let lastView: DataView = new DataView(new ArrayBuffer(0));

function viewOf(buffer: Buffer): DataView {
  if (buffer !== lastBuffer) {
    lastView = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    lastBuffer = buffer;
  }
  return lastView;
}

function compileParts(fields: readonly AuditField[], options: OutputOptions): readonly Part[] {
  const byName = new Map(fields.map((field) => [field.name, field]));
  let before = '{';
  const parts = options.fieldNames.map((name): Part => {
    const field = byName.get(name);
    if (!field) throw new TypeError(`no field ${name}`);
    const quote = field.type === 'string' ? '"' : '';
    const prefix = literal(`${before}"${name}":${quote}`);
    before = `${quote},`;
    return { ...valueOf(field, options.timestampFormat), prefix };
  });
  const end = `${before.replace(',', '')}}\n`;
  return [...parts, { ...NO_VALUE, prefix: literal(end) }];
}

const NO_VALUE = { kind: END, slot: 0, members: [], writeTime: undefined };

function valueOf(field: AuditField, format: TimestampFormat): Omit<Part, 'prefix'> {
  if ('members' in field) return { ...NO_VALUE, kind: OBJECT, members: membersOf(field.members) };
  const slot = slotOf(field.leaf);
  switch (field.type) {
    case 'string':
      return { ...NO_VALUE, kind: TEXT, slot };
    case 'object':
      return { ...NO_VALUE, kind: BODY, slot };
    case 'timestamp':
      return { ...NO_VALUE, kind: TIMESTAMP, slot, writeTime: timestampWriter(format) };
  }
}

function membersOf(members: ObjectMembers): readonly MemberPart[] {
  return members.map(([key, leaf]) => {
    const isText = kindOf(leaf) === 'text';
    const name = `"${key}":${isText ? '"' : ''}`;
    return {
      slot: slotOf(leaf),
      isText,
      asFirst: literal(`{${name}`),
      asNext: literal(`,${name}`),
    };
  });
}

/** Most bytes that a part takes apart from its texts and bodies. */
function maxConstantBytes({ prefix, members }: Part): number {
  return members.reduce(
    (sum, { asNext }) => sum + asNext.length + MAX_VALUE_BYTES,
    prefix.length + MAX_VALUE_BYTES + LITERAL_OVERRUN_BYTES,
  );
}

/** Most bytes that the texts and bodies of the loaded record take in this line. */
function maxValueBytes(parts: readonly Part[], { cursor, rewrites }: LoadedEvent): number {
  const lengthOf = (slot: number) =>
    (cursor.starts[slot] ?? -1) < 0 ? 0 : (cursor.ends[slot] ?? 0) - (cursor.starts[slot] ?? 0);
  let bytes = 0;
  for (const { kind, slot, members } of parts) {
    if (kind === TEXT) bytes += lengthOf(slot) * MAX_TEXT_EXPANSION;
    if (kind === BODY) bytes += lengthOf(slot) * (rewrites[slot] === 1 ? MAX_BODY_EXPANSION : 1);
    for (const member of members) {
      if (member.isText) bytes += lengthOf(member.slot) * MAX_TEXT_EXPANSION;
    }
  }
  return bytes;
}

function writeParts(
  parts: readonly Part[],
  event: LoadedEvent,
  out: DataView,
  from: number,
): number {
  const { starts, ends, integers, view } = event.cursor;
  let at = from;
  // Not for...of, whose cleaning up at the end costs a few per cent of the line.
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index];
    if (!part) break;
    const { slot } = part;
    at = writeLiteral(part.prefix, out, at);
    switch (part.kind) {
      case TEXT: {
        const start = starts[slot] ?? -1;
        if (start >= 0) at = writeJsonText(view, start, ends[slot] ?? 0, out, at);
        break;
      }
      case BODY:
        at = writeBody(event, slot, out, at);
        break;
      case TIMESTAMP:
        at = part.writeTime?.(integers[slot] ?? 0, out, at) ?? at;
        break;
      case OBJECT:
        at = writeMembers(part.members, event, out, at);
        break;
    }
  }
  return at;
}

/** A body as the producer wrote it; an absent one is `{}`. */
function writeBody(
  { cursor, rewrites }: LoadedEvent,
  slot: number,
  out: DataView,
  at: number,
): number {
  const start = cursor.starts[slot] ?? -1;
  if (start < 0) return writeLiteral(EMPTY_OBJECT, out, at);
  const copy = rewrites[slot] === 1 ? copyRewritten : copyUtf8;
  return copy(cursor.view, start, cursor.ends[slot] ?? 0, out, at);
}

const EMPTY_OBJECT = literal('{}');

/** An object of leaves; absent members are left out, so that an event without any gives `{}`. */
function writeMembers(
  members: readonly MemberPart[],
  { cursor }: LoadedEvent,
  out: DataView,
  from: number,
): number {
  let at = from;
  for (let index = 0; index < members.length; index++) {
    const member = members[index];
    if (!member) break;
    const start = cursor.starts[member.slot] ?? -1;
    if (start < 0) continue;
    at = writeLiteral(at === from ? member.asFirst : member.asNext, out, at);
    if (member.isText) {
      at = writeJsonText(cursor.view, start, cursor.ends[member.slot] ?? 0, out, at);
      out.setUint8(at++, 0x22);
    } else {
      at = writeAscii(String(cursor.integers[member.slot] ?? 0), out, at);
    }
  }
  if (at === from) return writeLiteral(EMPTY_OBJECT, out, at);
  out.setUint8(at++, 0x7d);
  return at;
}
