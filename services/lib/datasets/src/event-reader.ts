import {
  UndecodableRecordError,
  type EventFilter,
  type EventReader,
  type LineWriter,
  type OutputOptions,
} from '@trailpush/core';
import type { AuditField } from './audit-field.ts';
import { BODY_SLOTS, slotOf, SLOTS } from './audit-leaves.ts';
import { AvroCursor, compileWriterSchema, type Step } from './avro-program.ts';
import { compileAuditFilter } from './filter.ts';
import { checkJsonBody } from './json-body.ts';
import { compileAuditLine } from './line.ts';
import { parseFraming, type Framing } from './framing.ts';

const ACCOUNT_SLOT = slotOf('account.id');
const ORGANIZATION_SLOT = slotOf('organization.id');
const TIME_SLOT = slotOf('action.time');

/** Where writer schemas come from; see `WriterSchemas`. */
export interface SchemaSource {
  /** The parsed schema, `unknown` when it does not exist, `pending` while it must be fetched. */
  lookup(framing: Framing): object | 'unknown' | 'pending';
  /** Resolves when `lookup` of this framing answers something else than `pending`. */
  wait(framing: Framing): Promise<void>;
}

/** Points at one record at a time; filters and lines of audit datasets read from `cursor`. */
export class AuditEventReader implements EventReader {
  readonly cursor = new AvroCursor(SLOTS.size);
  /** Slots of bodies in the loaded record that must be rewritten while they are copied. */
  readonly rewrites = new Uint8Array(SLOTS.size);
  readonly #fields: readonly AuditField[];
  readonly #schemas: SchemaSource;
  readonly #programs = new Map<object, Step>();
  #missing: Framing | undefined;

  constructor(fields: readonly AuditField[], schemas: SchemaSource) {
    this.#fields = fields;
    this.#schemas = schemas;
  }

  compileFilter(filter: string): EventFilter | undefined {
    return compileAuditFilter(this.#fields, this, filter);
  }

  compileLine(options: OutputOptions): LineWriter {
    return compileAuditLine(this.#fields, this, options);
  }

  load(value: Uint8Array, accountKey: Uint8Array): boolean {
    const framing = parseFraming(value);
    if (!framing) {
      throw new UndecodableRecordError(
        'not_avro',
        'the value has neither the single-object marker (C3 01) nor the schema registry one (00)',
      );
    }
    const program = this.#program(framing);
    if (!program) return false;
    const { cursor } = this;
    cursor.reset(value, framing.bodyAt);
    program(cursor);
    if (cursor.position !== value.length) {
      throw new UndecodableRecordError(
        'not_avro',
        `the value goes on for ${value.length - cursor.position} bytes after its event`,
      );
    }
    if (cursor.starts[TIME_SLOT] === -1) {
      throw new UndecodableRecordError('incompatible_schema', 'the event has no action.time');
    }
    this.#checkAccount(accountKey);
    this.#checkBodies();
    return true;
  }

  async ready(): Promise<void> {
    if (this.#missing) await this.#schemas.wait(this.#missing);
  }

  #program(framing: Framing): Step | undefined {
    const schema = this.#schemas.lookup(framing);
    if (schema === 'pending') {
      this.#missing = framing;
      return undefined;
    }
    if (schema === 'unknown') {
      const name =
        framing.kind === 'confluent'
          ? `id ${framing.id} is not in the schema registry`
          : `fingerprint ${framing.fingerprint} is not a known schema`;
      throw new UndecodableRecordError('unknown_schema', `the writer's schema ${name}`);
    }
    let program = this.#programs.get(schema);
    if (!program) {
      program = compileWriterSchema(schema, SLOTS);
      this.#programs.set(schema, program);
    }
    return program;
  }

  /** The key routed the record; an event that names another account must not reach this one's jobs. */
  #checkAccount(accountKey: Uint8Array): void {
    const { cursor } = this;
    const slot = (cursor.starts[ACCOUNT_SLOT] ?? -1) >= 0 ? ACCOUNT_SLOT : ORGANIZATION_SLOT;
    const start = cursor.starts[slot] ?? -1;
    const length = start < 0 ? -1 : (cursor.ends[slot] ?? 0) - start;
    let same = length === accountKey.length;
    for (let index = 0; same && index < length; index++) {
      same = cursor.bytes[start + index] === accountKey[index];
    }
    if (!same) {
      throw new UndecodableRecordError(
        'account_mismatch',
        'the account (or organization) of the event is not the key of its record',
      );
    }
  }

  #checkBodies(): void {
    const { starts, ends, bytes } = this.cursor;
    for (const slot of BODY_SLOTS) {
      const start = starts[slot] ?? -1;
      const end = ends[slot] ?? 0;
      if (start < 0) continue;
      if (start === end) {
        // No text at all says as much as no body.
        starts[slot] = -1;
        continue;
      }
      this.rewrites[slot] = checkJsonBody(bytes, start, end) ? 1 : 0;
    }
  }
}
