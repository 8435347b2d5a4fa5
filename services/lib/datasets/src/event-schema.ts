import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import avro from 'avsc';

/** A parsed Avro schema document. */
export type AvroSchema = object;

const SCHEMA_FILE = createRequire(import.meta.url).resolve(
  '@trailpush/schemas/avro/audit_event.avsc',
);

/** The schema that this version writes, and to which every other one is resolved. */
export const EVENT_SCHEMA = readSchema(SCHEMA_FILE);

/**
 * Schemas of audit events that can be told by their fingerprint: ours, and those of earlier versions,
 * which are kept beside it as `audit_event.<version>.avsc` for the records that are still in a log.
 */
export const EVENT_SCHEMAS: readonly AvroSchema[] = [EVENT_SCHEMA, ...readEarlierSchemas()];

/** Our schema as avsc's type. */
export const EVENT_TYPE = avro.Type.forSchema(EVENT_SCHEMA as avro.Schema, {
  omitRecordMethods: true,
});

function readSchema(file: string): AvroSchema {
  return JSON.parse(readFileSync(file, 'utf8')) as AvroSchema;
}

function readEarlierSchemas(): AvroSchema[] {
  const folder = dirname(SCHEMA_FILE);
  return readdirSync(folder)
    .filter((name) => /^audit_event\..+\.avsc$/.test(name))
    .map((name) => readSchema(join(folder, name)));
}
