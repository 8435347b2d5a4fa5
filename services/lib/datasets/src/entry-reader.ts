import {
  AUDIT_BODIES,
  AUDIT_TEXTS,
  ENTRY_TEXTS,
  type AuditBody,
  type AuditEntry,
  type AuditText,
} from '@trailpush/core';
import { slotOf, type LeafPath } from './audit-leaves.ts';
import { AuditEventReader, type SchemaSource } from './event-reader.ts';
import { encodedEntry, type EntryMemory } from './entry-memory.ts';
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

/** The slots of `ENTRY_TEXTS`. */
const SLOTS = ENTRY_TEXTS.map((name) => (name === 'id' ? ID : slotOf(leafOf(name))));
const BODIES = AUDIT_BODIES.map((name) => ({
  slot: slotOf(leafOf(name)),
  index: ENTRY_TEXTS.indexOf(name),
}));

/** The members of an entry by the slots of their leaves, besides tenant, id and time. */
export const ENTRY_MEMBERS: ReadonlyMap<number, AuditText | AuditBody | 'raw_status_code'> =
  new Map([
    [STATUS, 'raw_status_code' as const],
    ...[...AUDIT_TEXTS, ...AUDIT_BODIES].map((name) => [slotOf(leafOf(name)), name] as const),
  ]);

/** No byte of a body becomes more than three, see `copyRewritten`. */
const MAX_BODY_EXPANSION = 3;

/** Reads records as entries of the audit store. One record at a time, checked as for delivery. */
export class EntryReader {
  readonly #reader: AuditEventReader;
  #value: Uint8Array = Buffer.alloc(0);

  constructor(schemas: SchemaSource) {
    this.#reader = new AuditEventReader([], schemas);
  }

  /** See `EventReader.load`. @throws UndecodableRecordError */
  load(value: Uint8Array, key: Uint8Array): boolean {
    this.#value = value;
    return this.#reader.load(value, key);
  }

  /** See `EventReader.ready`. */
  ready(): Promise<void> {
    return this.#reader.ready();
  }

  /** The loaded record. What it says is copied into `memory`. */
  entry(memory: EntryMemory): AuditEntry {
    const { start, end, starts, ends, integers } = this.#reader.cursor;
    memory.take(end - start + this.#rewrittenBytes());
    const { bytes, at, ranges, rangesAt } = memory;
    bytes.set(this.#value, at);
    const moved = at - start;
    for (let index = 0; index < SLOTS.length; index++) {
      const slot = SLOTS[index] ?? 0;
      const from = starts[slot] ?? -1;
      ranges[rangesAt + 2 * index] = from < 0 ? -1 : from + moved;
      ranges[rangesAt + 2 * index + 1] = (ends[slot] ?? 0) + moved;
    }
    this.#rewriteBodies(memory, at + end - start);
    const { isOfAccount } = this.#reader;
    const slot = isOfAccount ? ACCOUNT : ORGANIZATION;
    const id = bytes.toString('utf8', (starts[slot] ?? 0) + moved, (ends[slot] ?? 0) + moved);
    return encodedEntry(
      { bytes, ranges, at: rangesAt },
      {
        tenant: { kind: isOfAccount ? 'account' : 'organization', id },
        timeMicros: integers[TIME] ?? 0,
        raw_status_code: (starts[STATUS] ?? -1) < 0 ? null : (integers[STATUS] ?? 0),
      },
    );
  }

  #rewrittenBytes(): number {
    const { starts, ends } = this.#reader.cursor;
    let bytes = 0;
    for (const { slot } of BODIES) {
      if (this.#isRewritten(slot)) bytes += (ends[slot] ?? 0) - (starts[slot] ?? 0);
    }
    return bytes * MAX_BODY_EXPANSION;
  }

  /** Puts bodies on one line, as they are delivered. They lie one after the other from `at` on. */
  #rewriteBodies({ bytes, ranges, rangesAt }: EntryMemory, at: number): void {
    const { view, starts, ends } = this.#reader.cursor;
    for (const { slot, index } of BODIES) {
      if (!this.#isRewritten(slot)) continue;
      const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      ranges[rangesAt + 2 * index] = at;
      at = copyRewritten(view, starts[slot] ?? 0, ends[slot] ?? 0, out, at);
      ranges[rangesAt + 2 * index + 1] = at;
    }
  }

  #isRewritten(slot: number): boolean {
    const { cursor, rewrites } = this.#reader;
    return rewrites[slot] === 1 && (cursor.starts[slot] ?? -1) >= 0;
  }
}
