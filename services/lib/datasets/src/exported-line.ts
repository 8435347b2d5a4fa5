import { isUtf8 } from 'node:buffer';
import { AUDIT_BODIES, AUDIT_TEXTS, type AuditEntry } from '@trailpush/core';
import { AUDIT_LOGS_V2_FIELDS } from './audit-logs-v2.ts';
import { ENTRY_MEMBERS } from './entry-reader.ts';
import {
  readIdentifier,
  readInteger,
  readJson,
  readRaw,
  readText,
  readTime,
} from './event-item.ts';
import type { Field } from './field.ts';
import { BadLineError, JsonCursor } from './json-cursor.ts';

/** One line of an object of `audit_logs_v2` as NDJSON. */
export type ExportedLine =
  | {
      readonly ok: true;
      readonly entry: AuditEntry;
      /** Fields of the dataset that the line does not have. */
      readonly missing: readonly string[];
      /** The format of its time has no microseconds. */
      readonly isTimeCut: boolean;
    }
  | { readonly ok: false; readonly reason: string };

const NONE = Object.fromEntries(
  [...AUDIT_TEXTS, ...AUDIT_BODIES, 'raw_status_code'].map((name) => [name, null]),
);
const FIELDS = new Map(AUDIT_LOGS_V2_FIELDS.map((field) => [field.name, field]));
/** 2200-01-01T00:00:00Z, as for events that are sent. */
const MAX_TIME_MICROS = 7_258_118_400_000_000;
/** From here on a number is no time in seconds: 2200. */
const MAX_SECONDS = MAX_TIME_MICROS / 1_000_000;

interface Read {
  readonly entry: Record<string, unknown>;
  readonly seen: Set<string>;
  isTimeCut: boolean;
}

/**
 * Reads a line as jobs deliver it, whatever its fields and their order. An empty text or object is read as no
 * value, since lines show an absent one so. Bodies are kept as they are.
 */
export function parseExportedLine(line: Buffer): ExportedLine {
  try {
    if (!isUtf8(line)) throw new BadLineError('not UTF-8');
    const read: Read = { entry: { ...NONE }, seen: new Set(), isTimeCut: false };
    readFields(new JsonCursor(line.toString('utf8')), read);
    const { entry, seen, isTimeCut } = read;
    for (const name of ['AuditLogID', 'AccountID', 'ActionTimestamp']) {
      if (!seen.has(name))
        throw new BadLineError(`${name} is missing, without which no event can be restored`);
    }
    const missing = [...FIELDS.keys()].filter((name) => !seen.has(name));
    return { ok: true, entry: entry as unknown as AuditEntry, missing, isTimeCut };
  } catch (error) {
    if (error instanceof BadLineError) return { ok: false, reason: error.message };
    throw error;
  }
}

function readFields(cursor: JsonCursor, read: Read): void {
  cursor.skipSpace();
  if (!cursor.take('{')) throw new BadLineError('not a JSON object: only NDJSON can be restored');
  for (let name = cursor.firstMember(); name !== undefined; name = cursor.nextMember()) {
    const field = FIELDS.get(name);
    if (field === undefined) {
      throw new BadLineError(`audit_logs_v2 has no field ${JSON.stringify(name.slice(0, 64))}`);
    }
    if (read.seen.has(name)) throw new BadLineError(`${name} is given twice`);
    // Templates write it for a field that the job does not name.
    if (cursor.take('null')) continue;
    read.seen.add(name);
    readField(cursor, field, read);
  }
  cursor.skipSpace();
  if (cursor.at !== cursor.text.length) cursor.fail('something follows the object');
}

function readField(cursor: JsonCursor, field: Field, read: Read): void {
  const { entry } = read;
  const { name } = field;
  if (name === 'AccountID') {
    entry['tenant'] = { kind: 'account', id: readIdentifier(cursor, name) };
  } else if (name === 'AuditLogID') {
    entry['id'] = readIdentifier(cursor, name);
  } else if (field.type === 'timestamp') {
    const time = readStamp(cursor, name);
    entry['timeMicros'] = time.micros;
    read.isTimeCut = time.isCut;
  } else if ('members' in field) {
    readMembers(cursor, field, entry);
  } else if (field.type === 'object') {
    const body = readJson(cursor, name);
    entry[memberOf(field.slot)] = body === '{}' ? null : body;
  } else {
    entry[memberOf(field.slot)] = readText(cursor, name) || null;
  }
}

function readMembers(
  cursor: JsonCursor,
  field: Extract<Field, { members: unknown }>,
  entry: Record<string, unknown>,
): void {
  if (!cursor.take('{')) throw new BadLineError(`${field.name} must be an object`);
  for (let key = cursor.firstMember(); key !== undefined; key = cursor.nextMember()) {
    const member = field.members.find((of) => of.key === key);
    const path = `${field.name}.${key.slice(0, 64)}`;
    if (member === undefined) throw new BadLineError(`${path} is unknown`);
    entry[memberOf(member.slot)] = member.isText
      ? readText(cursor, path)
      : readInteger(cursor, path);
  }
}

function memberOf(slot: number): string {
  const name = ENTRY_MEMBERS.get(slot);
  if (name === undefined) throw new Error(`no member of an entry lies in slot ${slot}`);
  return name;
}

/** Any of Logpush's formats. */
function readStamp(cursor: JsonCursor, name: string): { micros: number; isCut: boolean } {
  if (cursor.isAtText()) {
    const start = cursor.at;
    const micros = readTime(cursor, name);
    return { micros, isCut: !/\.\d{6}/.test(cursor.text.slice(start, cursor.at)) };
  }
  const raw = readRaw(cursor);
  const isNumber = /^\d{1,19}$/.test(raw);
  const isSeconds = isNumber && Number(raw) < MAX_SECONDS;
  const micros = isSeconds ? Number(raw) * 1_000_000 : Number(raw.slice(0, -3));
  if (!isNumber || micros >= MAX_TIME_MICROS) {
    throw new BadLineError(`${name} must be a time in a format of Logpush`);
  }
  return { micros, isCut: isSeconds };
}
