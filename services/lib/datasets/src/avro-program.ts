import { UndecodableRecordError } from '@trailpush/core';

/**
 * Walks the bytes of one Avro value and notes where the wanted leaves lie, without making objects.
 * A writer schema is compiled once into a tree of steps; running it costs a few nanoseconds a field.
 *
 * Resolution follows the Avro rules by construction: leaves are found by their path in whatever schema
 * the writer used, fields that we do not know are stepped over, fields that the writer did not have
 * stay absent. Whether a writer schema fits ours at all is checked before (`WriterSchemas`).
 */
export type Step = (cursor: AvroCursor) => void;

/** What a leaf holds, as far as reading it goes. */
export type LeafKind = 'text' | 'integer' | 'micros';

/** Where each wanted leaf is kept: dotted path to slot. */
export type SlotTable = ReadonlyMap<string, { readonly slot: number; readonly kind: LeafKind }>;

/** Nesting of records inside records that a writer schema may cause; recursive schemas have no end else. */
const MAX_NESTING = 64;

/** The position in one value, and the leaves found so far. Reused for every record. */
export class AvroCursor {
  bytes: Uint8Array = new Uint8Array(0);
  position = 0;
  nesting = 0;
  /** Start of a text leaf in `bytes`, -1 when absent. For integers: 0 when present. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly integers: Float64Array;

  constructor(slots: number) {
    this.starts = new Int32Array(slots);
    this.ends = new Int32Array(slots);
    this.integers = new Float64Array(slots);
  }

  reset(bytes: Uint8Array, position: number): void {
    this.bytes = bytes;
    this.position = position;
    this.nesting = 0;
    this.starts.fill(-1);
  }
}

function notAvro(detail: string): UndecodableRecordError {
  return new UndecodableRecordError('not_avro', `the value is not Avro of its schema: ${detail}`);
}

/** One zigzag varint as a number. Exact up to 2^53; larger values only occur where they are skipped. */
export function readLong(cursor: AvroCursor): number {
  const { bytes } = cursor;
  let at = cursor.position;
  let byte = bytes[at++];
  if (byte === undefined) throw notAvro('it ends inside a number');
  let low = byte & 0x7f;
  let shift = 7;
  while (byte >= 0x80 && shift < 28) {
    byte = bytes[at++];
    if (byte === undefined) throw notAvro('it ends inside a number');
    low |= (byte & 0x7f) << shift;
    shift += 7;
  }
  let value = low;
  let factor = 0x10000000;
  while (byte >= 0x80) {
    byte = bytes[at++];
    if (byte === undefined) throw notAvro('it ends inside a number');
    if (shift > 63) throw notAvro('a number has more than 64 bits');
    value += (byte & 0x7f) * factor;
    factor *= 0x80;
    shift += 7;
  }
  cursor.position = at;
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

function readLength(cursor: AvroCursor): number {
  const length = readLong(cursor);
  if (length < 0 || length > cursor.bytes.length - cursor.position) {
    throw notAvro(`a length of ${length} bytes at ${cursor.position} does not fit`);
  }
  return length;
}

const skipLong: Step = (cursor) => void readLong(cursor);
const skipBytes: Step = (cursor) => {
  cursor.position += readLength(cursor);
};
const skipNothing: Step = () => undefined;

function skipFixed(size: number): Step {
  return (cursor) => {
    if (size > cursor.bytes.length - cursor.position) throw notAvro('it ends too early');
    cursor.position += size;
  };
}

/** Arrays and maps: blocks of items, a negative count is followed by the block's size in bytes. */
function skipBlocks(item: Step): Step {
  return (cursor) => {
    for (;;) {
      const count = readLong(cursor);
      if (count === 0) return;
      if (count < 0) {
        cursor.position += readLength(cursor);
        continue;
      }
      // Every item but null and an empty record takes a byte, so the value's size bounds the count.
      if (count > cursor.bytes.length) throw notAvro(`a block of ${count} items does not fit`);
      for (let index = 0; index < count; index++) item(cursor);
    }
  };
}

function textLeaf(slot: number): Step {
  return (cursor) => {
    const length = readLength(cursor);
    cursor.starts[slot] = cursor.position;
    cursor.position += length;
    cursor.ends[slot] = cursor.position;
  };
}

function integerLeaf(slot: number, factor: number): Step {
  return (cursor) => {
    cursor.integers[slot] = readLong(cursor) * factor;
    cursor.starts[slot] = 0;
  };
}

type SchemaNode = Record<string, unknown>;

function isNode(schema: unknown): schema is SchemaNode {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema);
}

const SKIP_PRIMITIVE: Readonly<Record<string, Step>> = {
  null: skipNothing,
  boolean: skipFixed(1),
  int: skipLong,
  long: skipLong,
  float: skipFixed(4),
  double: skipFixed(8),
  bytes: skipBytes,
  string: skipBytes,
};

class Compiler {
  readonly #slots: SlotTable;
  /** Named types by full name, so that a later reference finds the definition. */
  readonly #named = new Map<string, SchemaNode>();
  /** Steps of named types that are only skipped; recursive types refer to themselves through it. */
  readonly #skipped = new Map<string, Step>();

  constructor(slots: SlotTable) {
    this.#slots = slots;
  }

  compile(schema: unknown, path: string | undefined, namespace: string): Step {
    if (Array.isArray(schema)) return this.#union(schema, path, namespace);
    if (typeof schema === 'string') return this.#reference(schema, path, namespace);
    if (!isNode(schema)) throw new TypeError(`not an Avro schema: ${JSON.stringify(schema)}`);
    const type = schema['type'];
    if (type === 'record' || type === 'error') return this.#record(schema, path, namespace);
    if (type === 'enum') return this.#define(schema, namespace, skipLong);
    if (type === 'fixed') return this.#define(schema, namespace, skipFixed(Number(schema['size'])));
    if (type === 'array') return skipBlocks(this.compile(schema['items'], undefined, namespace));
    if (type === 'map') {
      const value = this.compile(schema['values'], undefined, namespace);
      return skipBlocks((cursor) => {
        skipBytes(cursor);
        value(cursor);
      });
    }
    const leaf = path === undefined ? undefined : this.#slots.get(path);
    if (leaf?.kind === 'micros' && schema['logicalType'] === 'timestamp-millis') {
      return integerLeaf(leaf.slot, 1000);
    }
    return this.compile(type, path, namespace);
  }

  #reference(name: string, path: string | undefined, namespace: string): Step {
    const leaf = path === undefined ? undefined : this.#slots.get(path);
    if (leaf?.kind === 'text' && (name === 'string' || name === 'bytes')) return textLeaf(leaf.slot);
    if (leaf && leaf.kind !== 'text' && (name === 'int' || name === 'long')) {
      return integerLeaf(leaf.slot, 1);
    }
    const primitive = SKIP_PRIMITIVE[name];
    if (primitive) {
      // A branch of a widened union that our schema has no room for; the bytes are fine, the meaning is not.
      return leaf && name !== 'null' ? wrongType(path ?? '', name) : primitive;
    }
    const full = name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
    const definition = this.#named.get(full) ?? this.#named.get(name);
    if (!definition) throw new TypeError(`the schema refers to ${name}, which it does not define`);
    if (path !== undefined) return this.compile(definition, path, namespace);
    return (cursor) => {
      const step = this.#skipped.get(full) ?? this.compile(definition, undefined, namespace);
      this.#skipped.set(full, step);
      step(cursor);
    };
  }

  #define(schema: SchemaNode, namespace: string, step: Step): Step {
    this.#named.set(fullName(schema, namespace), schema);
    return step;
  }

  #union(branches: readonly unknown[], path: string | undefined, namespace: string): Step {
    const steps = branches.map((branch) => this.compile(branch, path, namespace));
    return (cursor) => {
      const step = steps[readLong(cursor)];
      if (!step) throw notAvro('it chooses a branch that its union does not have');
      step(cursor);
    };
  }

  #record(schema: SchemaNode, path: string | undefined, outer: string): Step {
    const name = fullName(schema, outer);
    this.#named.set(name, schema);
    const namespace = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : outer;
    const fields = Array.isArray(schema['fields']) ? schema['fields'].filter(isNode) : [];
    const steps = fields.map((field) => {
      const prefix = path === undefined || path === '' ? '' : `${path}.`;
      const fieldPath = path === undefined ? undefined : `${prefix}${String(field['name'])}`;
      return this.compile(field['type'], fieldPath, namespace);
    });
    return (cursor) => {
      if (++cursor.nesting > MAX_NESTING) throw notAvro('records are nested too deeply');
      for (const step of steps) step(cursor);
      cursor.nesting--;
    };
  }
}

function fullName(schema: SchemaNode, outer: string): string {
  const name = String(schema['name']);
  const namespace = typeof schema['namespace'] === 'string' ? schema['namespace'] : outer;
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
}

function wrongType(path: string, type: string): Step {
  return () => {
    throw new UndecodableRecordError(
      'incompatible_schema',
      `the writer's schema gives ${path} the type ${type}, which this version cannot read`,
    );
  };
}

/** Compiles a parsed writer schema. @throws TypeError when it is not an Avro schema */
export function compileWriterSchema(schema: unknown, slots: SlotTable): Step {
  return new Compiler(slots).compile(schema, '', '');
}
