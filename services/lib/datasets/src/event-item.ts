import { isUtf8 } from 'node:buffer';
import { UndecodableRecordError, type Tenant } from '@trailpush/core';
import type { AuditEvent } from './audit-event.ts';
import {
  ITEM_MEMBERS,
  type ItemMember,
  type ObjectMember,
  type ScalarMember,
} from './event-item-members.ts';
import { checkJsonBody, MAX_BODY_DEPTH } from './json-body.ts';
import { BadLineError, JsonCursor } from './json-cursor.ts';
import { parseRfc3339Micros } from './rfc3339.ts';

export interface ItemOptions {
  readonly maxLineBytes: number;
  /** The id of an event that came without one; unique for ever. */
  readonly newId: () => string;
  /** The time of an event that came without one, microseconds since the epoch. */
  readonly nowMicros: () => number;
}

/** `tenant` is the account, or the organization when there is no account. */
export type ItemResult =
  | { readonly ok: true; readonly event: AuditEvent; readonly tenant: Tenant }
  | { readonly ok: false; readonly reason: string };

/** The event, or an object of it, as it is filled. */
type Target = Record<string, unknown>;

/** 2200-01-01T00:00:00Z. Far below 2^53, and nanoseconds of it still fit 64 bits. */
const MAX_TIME_MICROS = 7_258_118_400_000_000;
const MAX_INT32 = 0x7fffffff;
const IDENTIFIER = /^[!-~]{1,128}$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** Set while an event has not got one: no producer can write it, as its time must be in range. */
const NO_TIME = -1;

/**
 * Reads one line in the shape of the audit API's item (see `ITEM_MEMBERS`). Bodies are kept as the
 * producer's own text. A member that we have no place for is refused, as leaving it out would lose
 * data without a word; so are members given twice. `null` says the same as no member.
 */
export function parseEventItem(line: Uint8Array, options: ItemOptions): ItemResult {
  try {
    const event = readItem(line, options.maxLineBytes);
    const tenant = tenantOf(event);
    if (tenant === undefined) throw new BadLineError('account.id or organization.id is required');
    if (event.id === '') event.id = options.newId();
    if (event.action.time === NO_TIME) event.action.time = options.nowMicros();
    return { ok: true, event, tenant };
  } catch (error) {
    if (error instanceof BadLineError) return { ok: false, reason: error.message };
    throw error;
  }
}

function tenantOf({ account, organization }: AuditEvent): Tenant | undefined {
  if (account !== null) return { kind: 'account', id: account.id };
  return organization === null ? undefined : { kind: 'organization', id: organization.id };
}

function readItem(line: Uint8Array, maxLineBytes: number): AuditEvent {
  if (line.length > maxLineBytes) {
    throw new BadLineError(`the line has ${line.length} bytes, the limit is ${maxLineBytes}`);
  }
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.length);
  if (!isUtf8(bytes)) throw new BadLineError(`not UTF-8 at byte ${firstInvalidByte(bytes)}`);
  const cursor = new JsonCursor(bytes.toString('utf8'));
  const event = emptyEvent();
  cursor.skipSpace();
  if (!cursor.take('{')) throw new BadLineError('not a JSON object');
  readObject(cursor, ITEM_MEMBERS, event as unknown as Target);
  cursor.skipSpace();
  if (cursor.at !== cursor.text.length) cursor.fail('something follows the object');
  return event;
}

/** How many bytes of the text are valid: a cut in the middle of a character shows as U+FFFD. */
function firstInvalidByte(bytes: Buffer): number {
  const text = bytes.toString('utf8');
  let at = 0;
  for (const character of text) {
    const length = Buffer.byteLength(character);
    if (character === '\ufffd' && bytes.toString('hex', at, at + length) !== 'efbfbd') break;
    at += length;
  }
  return at;
}

function readObject(cursor: JsonCursor, object: ObjectMember, target: Target): void {
  let seen = 0;
  let name = cursor.firstMember();
  while (name !== undefined) {
    const member = object.members.get(name);
    if (!member) throw new BadLineError(unknownMember(name, object));
    if ((seen & member.bit) !== 0) throw new BadLineError(`${member.path} is given twice`);
    seen |= member.bit;
    // Names come from our own table, never from the line.
    if (!cursor.take('null')) target[member.name] = readValue(cursor, member, target[member.name]);
    name = cursor.nextMember();
  }
  const { required } = object;
  if (required && target[required.name] === null) {
    throw new BadLineError(`${required.path} is required`);
  }
}

function readValue(cursor: JsonCursor, member: ItemMember, empty: unknown): unknown {
  if (member.kind !== 'object') return readScalar(cursor, member);
  if (!cursor.take('{')) throw new BadLineError(`${member.path} must be an object`);
  const inner = (empty ?? emptyObject(member)) as Target;
  readObject(cursor, member, inner);
  return inner;
}

function emptyObject(object: ObjectMember): Target {
  const empty: Target = {};
  for (const name of object.members.keys()) empty[name] = null;
  return empty;
}

function unknownMember(name: string, object: ObjectMember): string {
  const known = [...object.members.keys()].join(', ');
  const where = object.path === '' ? '' : ` in ${object.path}`;
  return `unknown member ${quote(name)}${where}; known are ${known}`;
}

function readScalar(cursor: JsonCursor, { kind, path }: ScalarMember): string | number {
  switch (kind) {
    case 'text':
      return readText(cursor, path);
    case 'identifier':
      return readIdentifier(cursor, path);
    case 'time':
      return readTime(cursor, path);
    case 'integer':
      return readInteger(cursor, path);
    case 'json':
      return readJson(cursor, path);
  }
}

export function readText(cursor: JsonCursor, path: string): string {
  if (!cursor.isAtText()) throw new BadLineError(`${path} must be a string`);
  return cursor.readText();
}

export function readIdentifier(cursor: JsonCursor, path: string): string {
  const text = readText(cursor, path);
  if (!IDENTIFIER.test(text)) {
    throw new BadLineError(`${path} must be 1 to 128 visible ASCII characters`);
  }
  return text;
}

export function readTime(cursor: JsonCursor, path: string): number {
  const micros = cursor.isAtText() ? parseRfc3339Micros(cursor.readText()) : undefined;
  if (micros === undefined) {
    throw new BadLineError(`${path} must be an RFC 3339 date-time, such as 2026-05-21T15:00:00Z`);
  }
  if (micros < 0 || micros >= MAX_TIME_MICROS) {
    throw new BadLineError(`${path} must lie in the years 1970 to 2199`);
  }
  return micros;
}

export function readInteger(cursor: JsonCursor, path: string): number {
  const raw = readRaw(cursor);
  const value = NUMBER.test(raw) ? Number(raw) : Number.NaN;
  if (!Number.isInteger(value) || value < 0 || value > MAX_INT32) {
    throw new BadLineError(`${path} must be an integer from 0 to ${MAX_INT32}`);
  }
  return value;
}

/** The same check that readers of the record make: nothing is accepted that they would refuse. */
export function readJson(cursor: JsonCursor, path: string): string {
  const raw = readRaw(cursor);
  const bytes = Buffer.from(raw);
  try {
    checkJsonBody(bytes, 0, bytes.length);
  } catch (error) {
    if (!(error instanceof UndecodableRecordError)) throw error;
    throw new BadLineError(
      error.reason === 'body_too_deep'
        ? `${path} is nested deeper than ${MAX_BODY_DEPTH} levels`
        : `${path} is ${error.message}`,
    );
  }
  return raw;
}

export function readRaw(cursor: JsonCursor): string {
  const start = cursor.at;
  cursor.skipValue();
  return cursor.text.slice(start, cursor.at);
}

/** A name from outside, safe to print: short, and without characters that a terminal acts upon. */
function quote(name: string): string {
  const short = name.length > 64 ? `${name.slice(0, 64)}...` : name;
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function emptyEvent(): AuditEvent {
  return {
    id: '',
    account: null,
    organization: null,
    action: { description: null, result: null, time: NO_TIME, type: null },
    actor: {
      context: null,
      email: null,
      id: null,
      ip_address: null,
      token_id: null,
      token_name: null,
      type: null,
    },
    raw: { cf_ray_id: null, method: null, status_code: null, uri: null, user_agent: null },
    resource: {
      id: null,
      product: null,
      request: null,
      response: null,
      scope: null,
      type: null,
      value: null,
    },
    zone: null,
    interface: null,
    owner: null,
    metadata: null,
    old_value: null,
    new_value: null,
  };
}
