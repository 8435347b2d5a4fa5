import type { LineWriter, OutputOptions, TimestampFormat } from '@trailpush/core';
import { copyRewritten } from './json-body.ts';
import { writeJsonText } from './json-string.ts';
import { slotOf, type LeafPath } from './audit-leaves.ts';
import type { LoadedEvent } from './loaded-event.ts';
import type { AuditField, ObjectMembers } from './audit-field.ts';
import { timestampWriter } from './timestamp.ts';

/** Writes one value at `at` and returns the new end. There is room. */
type ValueWriter = (into: Buffer, at: number) => number;

/** Text shorter than this is copied byte by byte, which is faster than a call to `copy`. */
const SHORT_COPY_BYTES = 48;
/** No byte of a value becomes more than six (`\u001f`). */
const MAX_EXPANSION = 6;
/** Generous for a timestamp, an integer, quotes and braces of one field. */
const MAX_FIELD_OVERHEAD_BYTES = 64;

function writeConstant(bytes: Uint8Array, into: Buffer, at: number): number {
  const { length } = bytes;
  if (length < SHORT_COPY_BYTES) {
    for (let index = 0; index < length; index++) into[at + index] = bytes[index] ?? 0;
  } else {
    into.set(bytes, at);
  }
  return at + length;
}

/** A string with its quotes; an absent one is `""`. */
function stringWriter(reader: LoadedEvent, leaf: LeafPath): ValueWriter {
  const { cursor } = reader;
  const slot = slotOf(leaf);
  return (into, at) => {
    into[at++] = 0x22;
    const start = cursor.starts[slot] ?? -1;
    if (start >= 0) at = writeJsonText(cursor.bytes, start, cursor.ends[slot] ?? 0, into, at);
    into[at++] = 0x22;
    return at;
  };
}

/** A body as the producer wrote it; an absent one is `{}`. */
function bodyWriter(reader: LoadedEvent, leaf: LeafPath): ValueWriter {
  const { cursor, rewrites } = reader;
  const slot = slotOf(leaf);
  return (into, at) => {
    const start = cursor.starts[slot] ?? -1;
    const end = cursor.ends[slot] ?? 0;
    if (start < 0) {
      into[at++] = 0x7b;
      into[at++] = 0x7d;
      return at;
    }
    if (rewrites[slot] === 1) return copyRewritten(cursor.bytes, start, end, into, at);
    return writeConstant(cursor.bytes.subarray(start, end), into, at);
  };
}

function integerWriter(reader: LoadedEvent, leaf: LeafPath): ValueWriter {
  const { cursor } = reader;
  const slot = slotOf(leaf);
  return (into, at) => at + into.latin1Write(String(cursor.integers[slot] ?? 0), at);
}

/** An object of leaves; absent members are left out, so that an event without any gives `{}`. */
function objectWriter(reader: LoadedEvent, members: ObjectMembers): ValueWriter {
  const { cursor } = reader;
  const parts = members.map(([key, leaf]) => ({
    slot: slotOf(leaf),
    prefix: Buffer.from(`"${key}":`),
    write: leaf === 'raw.status_code' ? integerWriter(reader, leaf) : stringWriter(reader, leaf),
  }));
  return (into, at) => {
    const open = at;
    into[at++] = 0x7b;
    for (const part of parts) {
      if ((cursor.starts[part.slot] ?? -1) < 0) continue;
      if (at > open + 1) into[at++] = 0x2c;
      at = part.write(into, writeConstant(part.prefix, into, at));
    }
    into[at++] = 0x7d;
    return at;
  };
}

function valueWriter(reader: LoadedEvent, field: AuditField, format: TimestampFormat): ValueWriter {
  if ('members' in field) return objectWriter(reader, field.members);
  switch (field.type) {
    case 'string':
      return stringWriter(reader, field.leaf);
    case 'object':
      return bodyWriter(reader, field.leaf);
    case 'timestamp': {
      const slot = slotOf(field.leaf);
      const write = timestampWriter(format);
      return (into, at) => write(reader.cursor.integers[slot] ?? 0, into, at);
    }
  }
}

/** Compiles the options of a job to a writer of NDJSON lines from the loaded record. */
export function compileAuditLine(
  fields: readonly AuditField[],
  reader: LoadedEvent,
  options: OutputOptions,
): LineWriter {
  const byName = new Map(fields.map((field) => [field.name, field]));
  const parts = options.fieldNames.map((name, index) => {
    const field = byName.get(name);
    if (!field) throw new TypeError(`no field ${name}`);
    return {
      prefix: Buffer.from(`${index === 0 ? '{' : ','}"${name}":`),
      write: valueWriter(reader, field, options.timestampFormat),
    };
  });
  const suffix = Buffer.from(parts.length === 0 ? '{}\n' : '}\n');
  const overhead = parts.reduce(
    (sum, part) => sum + part.prefix.length + MAX_FIELD_OVERHEAD_BYTES,
    suffix.length,
  );
  return (into, at) => {
    if (into.length - at < overhead + reader.cursor.bytes.length * MAX_EXPANSION) return -1;
    for (const part of parts) at = part.write(into, writeConstant(part.prefix, into, at));
    return writeConstant(suffix, into, at);
  };
}
