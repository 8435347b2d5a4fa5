import { UndecodableRecordError } from '@trailpush/core';
import { notAvro, readLength, readLong, tooLong, type AvroCursor } from './avro-cursor.ts';
import {
  fieldsOf,
  isNode,
  NamedTypes,
  namespaceWithin,
  notASchema,
  SkipCompiler,
  type SchemaNode,
  type Skip,
} from './avro-skip.ts';

/** What a leaf holds, as far as reading it goes. */
export type LeafKind = 'text' | 'integer' | 'micros';

export interface Leaf {
  readonly slot: number;
  readonly kind: LeafKind;
}

/** Where each wanted leaf is kept: dotted path to slot. */
export type SlotTable = ReadonlyMap<string, Leaf>;

const TEXT = 0;
const NULLABLE_TEXT = 1;
const LONG = 2;
const SKIP = 3;
const UNION = 4;
const WRONG_TYPE = 5;

/** The byte that chooses the second branch of a union. */
const TEXT_TAG = 2;
/** Bits of the first byte of a length that goes on in the next one, or is negative. */
const LONGER = 0x81;

/** One step over the bytes of a value. All have one shape, whatever their kind uses, for speed. */
export interface Step {
  readonly kind: number;
  readonly next: AvroProgram;
  readonly slot: number;
  /** NULLABLE_TEXT: the byte that chooses null, 0 or 2. */
  readonly nullTag: number;
  /** LONG: what was written is multiplied by it. */
  readonly factor: number;
  readonly skip: Skip | undefined;
  /** UNION: how each branch goes on. */
  readonly branches: readonly AvroProgram[];
  readonly path: string;
  /** WRONG_TYPE: the type that the writer chose. */
  readonly written: string;
}

/**
 * A writer's schema, compiled: a chain of steps that walks one value and notes where the wanted leaves
 * lie. One loop runs it, without a call per field; code generated for the schema is hardly faster.
 *
 * Resolution follows the Avro rules by construction: leaves are found by their path in whatever schema
 * the writer used, fields that we do not know are stepped over, fields that the writer did not have stay
 * absent. Whether a schema fits ours at all is checked before (`WriterSchemas`); a value that chooses a
 * branch of a union that we cannot read fails by itself.
 */
export type AvroProgram = Step | undefined;

function makeStep(
  kind: number,
  next: AvroProgram,
  {
    slot = 0,
    nullTag = 0,
    factor = 1,
    skip,
    branches = [],
    path = '',
    written = '',
  }: Partial<Step>,
): Step {
  return { kind, next, slot, nullTag, factor, skip, branches, path, written };
}

/** Runs a program over the value at the cursor. @throws UndecodableRecordError */
export function runProgram(program: AvroProgram, cursor: AvroCursor): void {
  const { view, end, starts, ends } = cursor;
  let at = cursor.position;
  let step = program;
  while (step) {
    if (step.kind <= NULLABLE_TEXT) {
      // Nearly all leaves are texts shorter than 64 bytes, so this loop reads them without a call.
      let tag = TEXT_TAG;
      if (step.kind === NULLABLE_TEXT) {
        if (at >= end) throw notAvro('it ends too early');
        tag = view.getUint8(at++);
        if (tag !== 0 && tag !== TEXT_TAG) throw noSuchBranch();
      }
      if (tag !== step.nullTag) {
        const first = at < end ? view.getUint8(at) : LONGER;
        let length = first >> 1;
        if ((first & LONGER) === 0) {
          if (length >= end - at) throw tooLong(length, end - at - 1);
          at++;
        } else {
          cursor.position = at;
          length = readLength(cursor);
          at = cursor.position;
        }
        starts[step.slot] = at;
        at += length;
        ends[step.slot] = at;
      }
      step = step.next;
    } else {
      cursor.position = at;
      step = runStep(step, cursor);
      at = cursor.position;
    }
  }
  cursor.position = at;
}

function runStep(step: Step, cursor: AvroCursor): AvroProgram {
  switch (step.kind) {
    case LONG:
      readInteger(cursor, step);
      return step.next;
    case SKIP:
      step.skip?.(cursor);
      return step.next;
    case UNION: {
      const index = readLong(cursor);
      if (!(index >= 0 && index < step.branches.length)) throw noSuchBranch();
      return step.branches[index];
    }
    default:
      throw wrongType(step);
  }
}

function readInteger(cursor: AvroCursor, { slot, factor, path }: Step): void {
  const value = readLong(cursor) * factor;
  if (!Number.isSafeInteger(value)) throw tooLarge(path, value);
  cursor.integers[slot] = value;
  cursor.starts[slot] = 0;
}

function noSuchBranch(): UndecodableRecordError {
  return notAvro('it chooses a branch that its union does not have');
}

function tooLarge(path: string, value: number): UndecodableRecordError {
  return new UndecodableRecordError(
    'incompatible_schema',
    `${path} is ${value}, which is beyond 2^53: is it in the unit that the schema says?`,
  );
}

function wrongType({ path, written }: Step): UndecodableRecordError {
  return new UndecodableRecordError(
    'incompatible_schema',
    `the writer gave ${path} the type ${written}, which this version cannot read`,
  );
}

class Compiler {
  readonly #slots: SlotTable;
  readonly #named: NamedTypes;
  readonly #skips: SkipCompiler;

  constructor(schema: unknown, slots: SlotTable) {
    this.#slots = slots;
    this.#named = new NamedTypes(schema);
    this.#skips = new SkipCompiler(this.#named);
  }

  /** The steps of one value at `path`, and then `next`. */
  compile(schema: unknown, path: string, namespace: string, next: AvroProgram): AvroProgram {
    if (!this.#isWanted(path)) {
      return makeStep(SKIP, next, { skip: this.#skips.compile(schema, namespace) });
    }
    if (Array.isArray(schema)) return this.#union(schema, path, namespace, next);
    if (isNode(schema)) {
      const { type } = schema;
      if (typeof type !== 'string') return this.compile(type, path, namespace, next);
      if (type === 'record' || type === 'error') return this.#record(schema, path, namespace, next);
      return this.#leaf(schema, type, path, next);
    }
    if (typeof schema !== 'string') return notASchema(schema);
    const definition = this.#named.find(schema, namespace);
    if (definition) return this.compile(definition.schema, path, definition.outer, next);
    return this.#leaf({}, schema, path, next);
  }

  #isWanted(path: string): boolean {
    if (path === '' || this.#slots.has(path)) return true;
    return [...this.#slots.keys()].some((wanted) => wanted.startsWith(`${path}.`));
  }

  #union(branches: unknown[], path: string, namespace: string, next: AvroProgram): AvroProgram {
    const steps = branches.map((branch) => this.compile(branch, path, namespace, next));
    const nullAt = branches.indexOf('null');
    const other = steps[1 - nullAt];
    // One step of its own: the first field of a record is followed by the second.
    const isText = other?.kind === TEXT && other.next === next;
    if (steps.length === 2 && nullAt >= 0 && isText) {
      return makeStep(NULLABLE_TEXT, next, { slot: other.slot, nullTag: 2 * nullAt });
    }
    return makeStep(UNION, next, { branches: steps });
  }

  #record(schema: SchemaNode, path: string, outer: string, next: AvroProgram): AvroProgram {
    // A leaf that is written as a record is not looked into: it has no meaning that we know.
    if (this.#slots.has(path)) return makeStep(WRONG_TYPE, next, { path, written: 'record' });
    const namespace = namespaceWithin(schema, outer);
    return fieldsOf(schema).reduceRight<AvroProgram>((following, field) => {
      const name = String(field['name']);
      const fieldPath = path === '' ? name : `${path}.${name}`;
      return this.compile(field['type'], fieldPath, namespace, following);
    }, next);
  }

  #leaf(schema: SchemaNode, type: string, path: string, next: AvroProgram): AvroProgram {
    if (type === 'null') return next;
    const leaf = this.#slots.get(path);
    const logicalType = schema['logicalType'];
    if (leaf?.kind === 'text' && (type === 'string' || type === 'bytes')) {
      return makeStep(TEXT, next, { slot: leaf.slot });
    }
    if (leaf && leaf.kind !== 'text' && (type === 'int' || type === 'long')) {
      const factor = leaf.kind === 'micros' ? microsPerUnit(logicalType) : 1;
      if (factor) return makeStep(LONG, next, { slot: leaf.slot, factor, path });
    }
    const written = typeof logicalType === 'string' ? `${type} (${logicalType})` : type;
    return makeStep(WRONG_TYPE, next, { path, written });
  }
}

/** Undefined for a number that is no point in time, or one that we cannot hold. */
function microsPerUnit(logicalType: unknown): number | undefined {
  switch (logicalType) {
    case undefined:
    case 'timestamp-micros':
      return 1;
    case 'timestamp-millis':
      return 1000;
    default:
      return undefined;
  }
}

/**
 * Compiles a parsed writer's schema.
 * @throws UndecodableRecordError `incompatible_schema` when it is no schema of Avro
 */
export function compileWriterSchema(schema: unknown, slots: SlotTable): Step {
  return new Compiler(schema, slots).compile(schema, '', '', undefined) ?? notASchema(schema);
}
