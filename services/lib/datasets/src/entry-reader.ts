import {
  AUDIT_BODIES,
  AUDIT_TEXTS,
  type AuditBody,
  type AuditEntry,
  type AuditText,
} from '@trailpush/core';
import { slotOf, type LeafPath } from './audit-leaves.ts';
import { AuditEventReader, type SchemaSource } from './event-reader.ts';
import { copyRewritten } from './json-body.ts';

const ACCOUNT = slotOf('account.id');
const ORGANIZATION = slotOf('organization.id');
const ID = slotOf('id');
const TIME = slotOf('action.time');
const STATUS = slotOf('raw.status_code');

/** Members of the event itself, which keep their names. */
const TOP = new Set<string>(['interface', 'metadata', 'old_value', 'new_value']);

/** `actor_email` is `actor.email`; only the first underscore separates. */
function leafOf(name: AuditText | AuditBody): LeafPath {
  return (TOP.has(name) ? name : name.replace('_', '.')) as LeafPath;
}

const TEXTS = AUDIT_TEXTS.map((name) => ({ name, slot: slotOf(leafOf(name)) }));
const BODIES = AUDIT_BODIES.map((name) => ({ name, slot: slotOf(leafOf(name)) }));

/** The members of an entry by the slots of their leaves, besides tenant, id and time. */
export const ENTRY_MEMBERS: ReadonlyMap<number, AuditText | AuditBody | 'raw_status_code'> =
  new Map([
    [STATUS, 'raw_status_code' as const],
    ...[...TEXTS, ...BODIES].map(({ name, slot }) => [slot, name] as const),
  ]);

/** With members in one order from the start: adding them one by one costs more than reading them. */
const EMPTY: Readonly<Record<string, unknown>> = Object.fromEntries(
  ['tenant', 'id', 'timeMicros', 'raw_status_code', ...AUDIT_TEXTS, ...AUDIT_BODIES].map((name) => [
    name,
    null,
  ]),
);

const NOT_ASCII = /[^\0-\x7f]/;

/** No byte of a body becomes more than three, see `copyRewritten`. */
const MAX_BODY_EXPANSION = 3;

/** Reads records as entries of the audit store. One record at a time, checked as for delivery. */
export class EntryReader {
  readonly #reader: AuditEventReader;
  /** The loaded record: a view for each of its texts would cost more than the texts. */
  #bytes: Buffer = Buffer.alloc(0);
  /** The same with a character for each byte. Its parts are the texts that are ASCII, which nearly all are. */
  #characters = '';

  constructor(schemas: SchemaSource) {
    this.#reader = new AuditEventReader([], schemas);
  }

  /** See `EventReader.load`. @throws UndecodableRecordError */
  load(value: Uint8Array, key: Uint8Array): boolean {
    return this.#reader.load(value, key);
  }

  /** See `EventReader.ready`. */
  ready(): Promise<void> {
    return this.#reader.ready();
  }

  /** The loaded record. */
  entry(): AuditEntry {
    const { view, start, end, starts, integers } = this.#reader.cursor;
    this.#bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
    this.#characters = this.#bytes.toString('latin1', start, end);
    const entry: Record<string, unknown> = { ...EMPTY };
    entry['id'] = this.#text(ID);
    entry['timeMicros'] = integers[TIME];
    if ((starts[STATUS] ?? -1) >= 0) entry['raw_status_code'] = integers[STATUS];
    entry['tenant'] = this.#reader.isOfAccount
      ? { kind: 'account', id: this.#text(ACCOUNT) }
      : { kind: 'organization', id: this.#text(ORGANIZATION) };
    for (const { name, slot } of TEXTS) entry[name] = this.#text(slot);
    for (const { name, slot } of BODIES) entry[name] = this.#body(slot);
    return entry as unknown as AuditEntry;
  }

  #text(slot: number): string | null {
    const { start: first, starts, ends } = this.#reader.cursor;
    const start = starts[slot] ?? -1;
    if (start < 0) return null;
    const end = ends[slot] ?? 0;
    const text = this.#characters.slice(start - first, end - first);
    return NOT_ASCII.test(text) ? this.#bytes.toString('utf8', start, end) : text;
  }

  /** A body on one line, as it is delivered. */
  #body(slot: number): string | null {
    const { cursor, rewrites } = this.#reader;
    const start = cursor.starts[slot] ?? -1;
    if (start < 0 || rewrites[slot] !== 1) return this.#text(slot);
    const end = cursor.ends[slot] ?? 0;
    const copy = Buffer.alloc((end - start) * MAX_BODY_EXPANSION);
    const out = new DataView(copy.buffer, copy.byteOffset, copy.length);
    return copy.toString('utf8', 0, copyRewritten(cursor.view, start, end, out, 0));
  }
}
