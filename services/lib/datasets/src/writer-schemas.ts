import { messageOf, UndecodableRecordError } from '@trailpush/core';
import avro from 'avsc';
import type { SchemaSource } from './event-reader.ts';
import { EVENT_SCHEMAS, type AvroSchema } from './event-schema.ts';
import { schemaFingerprint } from './fingerprint.ts';
import { fingerprintHex, type Framing } from './framing.ts';
import { checkResolvable } from './schema-resolution.ts';
import type { RegisteredSchema, SchemaRegistry } from './schema-registry.ts';

export interface WriterSchemasOptions {
  /** For records in the framing of a schema registry. */
  readonly registry?: SchemaRegistry;
  /** Schemas that records name by fingerprint. */
  readonly schemas?: readonly AvroSchema[];
}

/**
 * The schemas that records were written with, each checked once to be readable as an audit event.
 * One instance serves all readers of a process; a schema is one object for as long as it is cached.
 */
export class WriterSchemas implements SchemaSource {
  readonly #registry: SchemaRegistry | undefined;
  readonly #byFingerprint: ReadonlyMap<string, AvroSchema>;
  readonly #checked = new WeakMap<RegisteredSchema, AvroSchema | UndecodableRecordError>();

  constructor({ registry, schemas = EVENT_SCHEMAS }: WriterSchemasOptions) {
    this.#registry = registry;
    this.#byFingerprint = new Map(schemas.map((schema) => [fingerprintOf(schema), schema]));
  }

  /**
   * The parsed schema, `unknown` when it does not exist, `pending` while it must be fetched.
   * @throws UndecodableRecordError `incompatible_schema`, or `unknown_schema` without a registry
   */
  lookup(framing: Framing): AvroSchema | 'unknown' | 'pending' {
    if (framing.kind === 'single-object') {
      return this.#byFingerprint.get(framing.fingerprint) ?? 'unknown';
    }
    const found = this.#registryFor(framing.id).peek(framing.id);
    if (found === undefined) return 'pending';
    if (found === 'absent') return 'unknown';
    const schema = this.#checked.get(found) ?? this.#check(found);
    if (schema instanceof UndecodableRecordError) throw schema;
    return schema;
  }

  /** @throws LogClosedError when the registry's client is closed meanwhile */
  async wait(framing: Framing): Promise<void> {
    if (framing.kind === 'confluent') await this.#registryFor(framing.id).fetch(framing.id);
  }

  #registryFor(id: number): SchemaRegistry {
    if (this.#registry) return this.#registry;
    throw new UndecodableRecordError(
      'unknown_schema',
      `the record names schema ${id} of a schema registry, but SCHEMA_REGISTRY_URL is not set`,
    );
  }

  #check(registered: RegisteredSchema): AvroSchema | UndecodableRecordError {
    let result: AvroSchema | UndecodableRecordError;
    try {
      result = parseRegistered(registered);
      checkResolvable(result);
    } catch (error) {
      if (!(error instanceof UndecodableRecordError)) throw error;
      result = error;
    }
    this.#checked.set(registered, result);
    return result;
  }
}

function fingerprintOf(schema: AvroSchema): string {
  return fingerprintHex(schemaFingerprint(avro.Type.forSchema(schema as avro.Schema)));
}

function parseRegistered({ id, schemaType, text }: RegisteredSchema): AvroSchema {
  let detail = `a document of type ${schemaType}`;
  if (schemaType === 'AVRO') {
    try {
      const schema: unknown = JSON.parse(text);
      if (typeof schema === 'object' && schema !== null) return schema;
      detail = 'a primitive type';
    } catch (error) {
      detail = messageOf(error);
    }
  }
  throw new UndecodableRecordError(
    'incompatible_schema',
    `schema ${id} of the registry is no Avro schema of an audit event: ${detail}`,
  );
}
