import { UndecodableRecordError } from '@trailpush/core';
import { inspect } from 'node:util';
import { notAvro, readLength, readLong, type AvroCursor } from './avro-cursor.ts';

/** Moves the cursor over one value of a type that nobody reads. */
export type Skip = (cursor: AvroCursor) => void;

export type SchemaNode = Readonly<Record<string, unknown>>;

export function isNode(schema: unknown): schema is SchemaNode {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema);
}

/** The fields of a record. */
export function fieldsOf(record: SchemaNode): readonly SchemaNode[] {
  const fields: unknown = record['fields'];
  return Array.isArray(fields) ? fields.filter(isNode) : [];
}

/** @throws always: the schema cannot be used at all */
export function notASchema(schema: unknown): never {
  const text = inspect(schema, { depth: 1, maxStringLength: 100, breakLength: Infinity });
  throw new UndecodableRecordError(
    'incompatible_schema',
    `the writer's schema uses ${text}, which is no type of Avro and is not defined in it`,
  );
}

/** Nesting of records inside records that a value may have; recursive schemas have no end else. */
const MAX_NESTING = 64;

const NOTHING: Skip = () => undefined;
const skipLong: Skip = (cursor) => void readLong(cursor);
const skipBytes: Skip = (cursor) => {
  const length = readLength(cursor);
  cursor.position += length;
};

function skipFixed(size: unknown): Skip {
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return notASchema(size);
  if (size === 0) return NOTHING;
  return (cursor) => {
    if (size > cursor.end - cursor.position) throw notAvro('it ends too early');
    cursor.position += size;
  };
}

/** Arrays and maps: blocks of items; a negative count is followed by the size of its block. */
function skipBlocks(item: Skip): Skip {
  return (cursor) => {
    for (;;) {
      const count = readLong(cursor);
      if (count === 0) return;
      if (count < 0) {
        skipBytes(cursor);
        continue;
      }
      // Items without bytes need no visit, and a forged count of them must not cost time.
      if (item === NOTHING) continue;
      if (count > cursor.end - cursor.position)
        throw notAvro(`a block of ${count} items does not fit`);
      for (let index = 0; index < count; index++) item(cursor);
    }
  };
}

/** One entry of a map. */
function skipEntry(value: Skip): Skip {
  return (cursor) => {
    skipBytes(cursor);
    value(cursor);
  };
}

function skipUnion(branches: readonly Skip[]): Skip {
  return (cursor) => {
    const branch = branches[readLong(cursor)];
    if (!branch) throw notAvro('it chooses a branch that its union does not have');
    branch(cursor);
  };
}

function skipRecord(fields: readonly Skip[]): Skip {
  return (cursor) => {
    if (++cursor.nesting > MAX_NESTING) throw notAvro('records are nested too deeply');
    for (const field of fields) field(cursor);
    cursor.nesting--;
  };
}

const PRIMITIVES = new Map<string, Skip>([
  ['null', NOTHING],
  ['boolean', skipFixed(1)],
  ['int', skipLong],
  ['long', skipLong],
  ['float', skipFixed(4)],
  ['double', skipFixed(8)],
  ['bytes', skipBytes],
  ['string', skipBytes],
]);

/** A named type with the namespace that it was defined in. */
export interface Definition {
  readonly schema: SchemaNode;
  readonly outer: string;
}

/** The named types of one schema document; names are resolved as Avro does. */
export class NamedTypes {
  readonly #definitions = new Map<string, Definition>();

  constructor(schema: unknown) {
    this.#collect(schema, '');
  }

  find(name: string, namespace: string): Definition | undefined {
    const full = name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
    return this.#definitions.get(full) ?? this.#definitions.get(name);
  }

  #collect(schema: unknown, outer: string): void {
    if (Array.isArray(schema))
      for (const branch of schema as unknown[]) this.#collect(branch, outer);
    if (!isNode(schema)) return;
    if (typeof schema['name'] === 'string') {
      this.#definitions.set(fullName(schema, outer), { schema, outer });
    }
    const inner = namespaceWithin(schema, outer);
    for (const field of fieldsOf(schema)) this.#collect(field['type'], inner);
    for (const member of ['type', 'items', 'values']) this.#collect(schema[member], outer);
  }
}

function fullName(schema: SchemaNode, outer: string): string {
  const name = String(schema['name']);
  const namespace = typeof schema['namespace'] === 'string' ? schema['namespace'] : outer;
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
}

/** The namespace of names that are used inside a named type. */
export function namespaceWithin(schema: SchemaNode, outer: string): string {
  const name = fullName(schema, outer);
  return name.slice(0, Math.max(0, name.lastIndexOf('.')));
}

/** Compiles the parts of a writer's schema that are stepped over. */
export class SkipCompiler {
  readonly #named: NamedTypes;
  readonly #records = new Map<SchemaNode, Skip>();

  constructor(named: NamedTypes) {
    this.#named = named;
  }

  /** @throws UndecodableRecordError `incompatible_schema` */
  compile(schema: unknown, namespace: string): Skip {
    if (typeof schema === 'string') return this.#reference(schema, namespace);
    if (Array.isArray(schema))
      return skipUnion(schema.map((branch) => this.compile(branch, namespace)));
    if (!isNode(schema)) return notASchema(schema);
    switch (schema['type']) {
      case 'record':
      case 'error':
        return this.#record(schema, namespace);
      case 'enum':
        return skipLong;
      case 'fixed':
        return skipFixed(schema['size']);
      case 'array':
        return skipBlocks(this.compile(schema['items'], namespace));
      case 'map':
        return skipBlocks(skipEntry(this.compile(schema['values'], namespace)));
      default:
        return this.compile(schema['type'], namespace);
    }
  }

  #reference(name: string, namespace: string): Skip {
    const primitive = PRIMITIVES.get(name);
    if (primitive) return primitive;
    const definition = this.#named.find(name, namespace);
    return definition ? this.compile(definition.schema, definition.outer) : notASchema(name);
  }

  /** Records without any bytes are nothing, so that every step of a value takes at least one byte. */
  #record(schema: SchemaNode, outer: string): Skip {
    const known = this.#records.get(schema);
    if (known) return known;
    const fields: Skip[] = [];
    const skip = skipRecord(fields);
    // Known before its fields are: they may refer to it.
    this.#records.set(schema, skip);
    const namespace = namespaceWithin(schema, outer);
    for (const field of fieldsOf(schema)) {
      const step = this.compile(field['type'], namespace);
      if (step !== NOTHING) fields.push(step);
    }
    if (fields.length > 0) return skip;
    this.#records.set(schema, NOTHING);
    return NOTHING;
  }
}
