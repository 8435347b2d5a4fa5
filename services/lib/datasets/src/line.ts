import type { LineOptions, LineWriter } from '@trailpush/core';
import { copyUtf8, literal, writeAscii, writeLiteral } from './byte-copy.ts';
import { isText } from './byte-match.ts';
import { doubleQuotes, writeCsvText } from './csv.ts';
import type { Field } from './field.ts';
import { copyRewritten } from './json-body.ts';
import { writeJsonText } from './json-string.ts';
import {
  BODY,
  BOOL,
  compileParts,
  CSV_JSON,
  CSV_TEXT,
  INTEGER,
  maxConstantBytes,
  mostCopies,
  OBJECT,
  TEXT,
  TIMESTAMP,
  type MemberPart,
  type Part,
} from './line-parts.ts';
import type { LoadedEvent } from './loaded-event.ts';
import { defuseLookups } from './lookups.ts';

/** No byte of a text becomes more than six (`\u001f`), and none of a body more than three (`\u0085`). */
const MAX_TEXT_EXPANSION = 6;
const MAX_BODY_EXPANSION = 3;

/** Compiles the options of a job to a writer of lines from the loaded record. */
export function compileLine(
  fields: readonly Field[],
  event: LoadedEvent,
  options: LineOptions,
): LineWriter {
  const parts = compileParts(fields, options);
  const constantBytes = parts.reduce((sum, part) => sum + maxConstantBytes(part), 0);
  const maxExpansion = MAX_TEXT_EXPANSION * mostCopies(parts);
  const write: LineWriter = (into, at) => {
    const { cursor } = event;
    const room = into.length - at - constantBytes;
    // The first bound is cheap and nearly always enough.
    if (room < (cursor.end - cursor.start) * maxExpansion) {
      if (room < maxValueBytes(parts, event)) return -1;
    }
    return writeParts(parts, event, viewOf(into), at);
  };
  if (!options.defusesLookups) return write;
  return (into, at) => {
    const end = write(into, at);
    if (end >= 0) defuseLookups(viewOf(into), at, end);
    return end;
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

/** Most bytes that the texts and bodies of the loaded record take in this line. */
function maxValueBytes(parts: readonly Part[], { cursor, rewrites }: LoadedEvent): number {
  const lengthOf = (slot: number) =>
    (cursor.starts[slot] ?? -1) < 0 ? 0 : (cursor.ends[slot] ?? 0) - (cursor.starts[slot] ?? 0);
  let bytes = 0;
  for (const { kind, slot, members } of parts) {
    if (kind === TEXT || kind === CSV_TEXT) bytes += lengthOf(slot) * MAX_TEXT_EXPANSION;
    if (kind === BODY) bytes += lengthOf(slot) * (rewrites[slot] === 1 ? MAX_BODY_EXPANSION : 1);
    // No byte is both a quote and a line break, so doubling quotes adds nothing to the most.
    if (kind === CSV_JSON) bytes += lengthOf(slot) * MAX_BODY_EXPANSION;
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
        at = writeBody(part, event, out, at);
        break;
      case TIMESTAMP: {
        const isThere = (starts[slot] ?? -1) >= 0;
        const micros = isThere ? (integers[slot] ?? 0) : 0;
        at = part.writeTime?.(micros, isThere ? (ends[slot] ?? 0) : 0, out, at) ?? at;
        break;
      }
      case OBJECT:
        at = writeMembers(part, event, out, at);
        break;
      default:
        at = writeRareValue(part, event, out, at);
    }
  }
  return at;
}

/** What the lines of nearly all jobs do without. */
function writeRareValue(part: Part, event: LoadedEvent, out: DataView, at: number): number {
  const { cursor } = event;
  const start = cursor.starts[part.slot] ?? -1;
  const end = cursor.ends[part.slot] ?? 0;
  switch (part.kind) {
    case INTEGER:
      return writeAscii(String(start < 0 ? 0 : (cursor.integers[part.slot] ?? 0)), out, at);
    case BOOL: {
      const isTrue = start >= 0 && isText(cursor.view, start, end, part.trueText);
      return writeAscii(String(isTrue), out, at);
    }
    case CSV_TEXT:
      return start < 0 ? at : writeCsvText(cursor.view, start, end, out, at);
    case CSV_JSON: {
      const write = part.members.length > 0 ? writeMembers : writeBody;
      return doubleQuotes(out, at, write(part, event, out, at));
    }
    default:
      return at;
  }
}

/** A body as the producer wrote it. */
function writeBody(
  { slot, absent }: Part,
  { cursor, rewrites }: LoadedEvent,
  out: DataView,
  at: number,
): number {
  const start = cursor.starts[slot] ?? -1;
  if (start < 0) return writeLiteral(absent, out, at);
  const copy = rewrites[slot] === 1 ? copyRewritten : copyUtf8;
  return copy(cursor.view, start, cursor.ends[slot] ?? 0, out, at);
}

const EMPTY_OBJECT = literal('{}');

/** An object of leaves; absent members are left out, so that an event without any gives `{}`. */
function writeMembers(
  { members }: { readonly members: readonly MemberPart[] },
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
