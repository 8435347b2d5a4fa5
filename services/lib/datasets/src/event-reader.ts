import {
  UndecodableRecordError,
  type EventFilter,
  type EventReader,
  type LineOptions,
  type LineWriter,
} from '@trailpush/core';
import { BODIES, slotOf, SLOTS } from './audit-leaves.ts';
import { AvroCursor, notAvro } from './avro-cursor.ts';
import { compileWriterSchema, runProgram, type AvroProgram } from './avro-program.ts';
import type { Field } from './field.ts';
import { compileFilter } from './filter.ts';
import { checkJson } from './json-body.ts';
import { compileLine } from './line.ts';
import { parseFraming, type Framing } from './framing.ts';
import { compileSample } from './sample.ts';

const ID_SLOT = slotOf('id');
const ACCOUNT_SLOT = slotOf('account.id');
const ORGANIZATION_SLOT = slotOf('organization.id');
/** What no event is without; a writer's schema may still allow null. */
const REQUIRED = (['id', 'action.time'] as const).map((path) => ({ path, slot: slotOf(path) }));

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
  readonly #fields: readonly Field[];
  readonly #schemas: SchemaSource;
  readonly #programs = new WeakMap<object, NonNullable<AvroProgram>>();
  #lastFraming: Framing | undefined;
  #lastProgram: AvroProgram;
  #missing: Framing | undefined;

  constructor(fields: readonly Field[], schemas: SchemaSource) {
    this.#fields = fields;
    this.#schemas = schemas;
  }

  compileFilter(filter: string): EventFilter | undefined {
    return compileFilter(this.#fields, this, filter);
  }

  compileSample(rate: number): EventFilter {
    return compileSample(this, ID_SLOT, rate);
  }

  compileLine(options: LineOptions): LineWriter {
    return compileLine(this.#fields, this, options);
  }

  get isOfAccount(): boolean {
    return this.cursor.starts[ACCOUNT_SLOT] !== -1;
  }

  load(value: Uint8Array, key: Uint8Array): boolean {
    const framing = parseFraming(value);
    if (!framing) {
      throw new UndecodableRecordError(
        'not_avro',
        'the value has neither the single-object marker (C3 01) nor the schema registry one (00)',
      );
    }
    const program = this.#programOf(framing);
    if (!program) return false;
    const { cursor } = this;
    cursor.reset(value, framing.bodyAt);
    runProgram(program, cursor);
    if (cursor.position !== cursor.end) {
      throw notAvro(`it goes on for ${cursor.end - cursor.position} bytes after its event`);
    }
    for (const { path, slot } of REQUIRED) {
      if (cursor.starts[slot] === -1) {
        throw new UndecodableRecordError('incompatible_schema', `the event has no ${path}`);
      }
    }
    this.#checkKey(key);
    this.#checkBodies();
    return true;
  }

  async ready(): Promise<void> {
    if (this.#missing) await this.#schemas.wait(this.#missing);
  }

  /** Undefined while the schema must be fetched. Neighbours in a log share their framing. */
  #programOf(framing: Framing): AvroProgram {
    if (framing === this.#lastFraming) return this.#lastProgram;
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
    const program = this.#programs.get(schema) ?? compileWriterSchema(schema, SLOTS);
    this.#programs.set(schema, program);
    this.#lastFraming = framing;
    this.#lastProgram = program;
    return program;
  }

  /** The key routed the record; an event that names another account must not reach this one's jobs. */
  #checkKey(key: Uint8Array): void {
    const { view, starts, ends } = this.cursor;
    const slot = this.isOfAccount ? ACCOUNT_SLOT : ORGANIZATION_SLOT;
    const start = starts[slot] ?? -1;
    let same = start >= 0 && (ends[slot] ?? 0) - start === key.length;
    for (let index = 0; same && index < key.length; index++) {
      same = view.getUint8(start + index) === key[index];
    }
    if (!same) {
      throw new UndecodableRecordError(
        'account_mismatch',
        'the account (or organization) of the event is not the key of its record',
      );
    }
  }

  #checkBodies(): void {
    const { view, starts, ends } = this.cursor;
    for (const { path, slot } of BODIES) {
      const start = starts[slot] ?? -1;
      const end = ends[slot] ?? 0;
      if (start < 0) continue;
      // No text at all says as much as no body.
      if (start === end) starts[slot] = -1;
      else this.rewrites[slot] = isToRewrite(view, start, end, path) ? 1 : 0;
    }
  }
}

function isToRewrite(view: DataView, start: number, end: number, path: string): boolean {
  try {
    return checkJson(view, start, end);
  } catch (error) {
    if (!(error instanceof UndecodableRecordError)) throw error;
    throw new UndecodableRecordError(error.reason, `${path} is ${error.message}`);
  }
}
