import { readFileSync } from 'node:fs';
import { Secret, UndecodableRecordError } from '@trailpush/core';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { FakeSchemaRegistry } from '@trailpush/test/kit/fake-schema-registry.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import avro from 'avsc';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EVENT_SCHEMA, EVENT_TYPE } from './event-schema.ts';
import { schemaFingerprint } from './fingerprint.ts';
import { confluentHeader, parseFraming, singleObjectHeader } from './framing.ts';
import { SchemaRegistry } from './schema-registry.ts';
import { WriterSchemas } from './writer-schemas.ts';

function golden(name: string): object {
  const file = new URL(`../../../../test/golden/avro/${name}.avsc`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as object;
}

const confluent = (id: number) => parseFraming(confluentHeader(id))!;
const single = (type: avro.Type) => parseFraming(singleObjectHeader(schemaFingerprint(type)))!;
const typeOf = (schema: object) => avro.Type.forSchema(schema as avro.Schema);

function reasonOf(look: () => unknown): { reason: string; message: string } {
  try {
    look();
  } catch (error) {
    if (error instanceof UndecodableRecordError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('looking schemas up', () => {
  test('by fingerprint: ours, those that are kept, and no others', () => {
    const older = golden('older');
    const schemas = new WriterSchemas({ schemas: [EVENT_SCHEMA, older] });
    expect(schemas.lookup(single(EVENT_TYPE))).toBe(EVENT_SCHEMA);
    expect(schemas.lookup(single(typeOf(older)))).toBe(older);
    expect(schemas.lookup(single(typeOf(golden('newer'))))).toBe('unknown');
  });

  test('an id without a registry is refused with the setting that is missing', () => {
    const { reason, message } = reasonOf(() => new WriterSchemas({}).lookup(confluent(7)));
    expect(reason).toBe('unknown_schema');
    expect(message).toBe(
      'the record names schema 7 of a schema registry, but SCHEMA_REGISTRY_URL is not set',
    );
  });
});

describe('looking schemas up in a registry', () => {
  let server: FakeSchemaRegistry;
  let registry: SchemaRegistry;
  let schemas: WriterSchemas;

  beforeEach(async () => {
    server = await FakeSchemaRegistry.start();
    const { logger } = createRecordingLogger();
    registry = new SchemaRegistry({ url: new Secret(server.url), clock: new FakeClock(), logger });
    schemas = new WriterSchemas({ registry });
  });
  afterEach(async () => {
    registry.close();
    await server.stop();
  });

  test('is pending until it was fetched, then the same object every time', async () => {
    server.put(7, golden('newer'));
    expect(schemas.lookup(confluent(7))).toBe('pending');
    await schemas.wait(confluent(7));
    const found = schemas.lookup(confluent(7));
    expect(found).toEqual(golden('newer'));
    expect(schemas.lookup(confluent(7))).toBe(found);
    expect(server.requests).toHaveLength(1);
  });

  test('a schema that cannot be read is refused every time', async () => {
    server.put(7, golden('incompatible'));
    await schemas.wait(confluent(7));
    for (let attempt = 1; attempt <= 2; attempt++) {
      expect(reasonOf(() => schemas.lookup(confluent(7))).reason).toBe('incompatible_schema');
    }
  });

  test.each<[string, object | string, string | undefined]>([
    ['a document of type PROTOBUF', {}, 'PROTOBUF'],
    ['a primitive type', 'string', undefined],
  ])('%s is refused', async (detail, schema, schemaType) => {
    server.put(7, schema, schemaType);
    await schemas.wait(confluent(7));
    const { reason, message } = reasonOf(() => schemas.lookup(confluent(7)));
    expect(reason).toBe('incompatible_schema');
    expect(message).toBe(`schema 7 of the registry is no Avro schema of an audit event: ${detail}`);
  });

  test('what we register is what we find', async () => {
    const id = await registry.register('audit.events-value', EVENT_SCHEMA);
    await schemas.wait(confluent(id));
    expect(schemas.lookup(confluent(id))).toEqual(EVENT_SCHEMA);
  });
});
