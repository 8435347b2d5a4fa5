import { messageOf, UndecodableRecordError } from '@trailpush/core';
import avro from 'avsc';
import { EVENT_TYPE, type AvroSchema } from './event-schema.ts';

/** A time of which avsc would only see the number, and we would take it for microseconds. */
class NanosecondTime extends avro.types.LogicalType {}

/**
 * Checks that records of a writer's schema can be read as audit events, after the rules of schema
 * resolution: fields are found by name, numbers and bytes are promoted, fields that the writer lacks
 * need a default of ours, and a union fits when one of its branches does (records that chose another
 * one fail by themselves). Names of records and namespaces are the writer's own business.
 * @throws UndecodableRecordError `incompatible_schema`
 */
export function checkResolvable(writer: AvroSchema): void {
  const misfit = findMisfit(EVENT_TYPE, parseWriter(writer), '');
  if (misfit !== undefined) throw incompatible(misfit);
}

function incompatible(detail: string): UndecodableRecordError {
  return new UndecodableRecordError(
    'incompatible_schema',
    `the writer's schema does not fit the audit event: ${detail}`,
  );
}

function parseWriter(schema: AvroSchema): avro.Type {
  try {
    return avro.Type.forSchema(schema as avro.Schema, {
      logicalTypes: { 'timestamp-nanos': NanosecondTime },
      omitRecordMethods: true,
    });
  } catch (error) {
    throw incompatible(`it is not an Avro schema (${messageOf(error)})`);
  }
}

/** What is wrong, or undefined. Only our own schema's shapes occur on the reader's side. */
function findMisfit(reader: avro.Type, writer: avro.Type, path: string): string | undefined {
  if (isUnion(writer))
    return firstFitting(writer.types, (branch) => findMisfit(reader, branch, path));
  if (isUnion(reader))
    return firstFitting(reader.types, (branch) => findMisfit(branch, writer, path));
  if (writer instanceof NanosecondTime) return `${path} counts nanoseconds, not microseconds`;
  if (reader instanceof avro.types.RecordType && writer instanceof avro.types.RecordType) {
    return findRecordMisfit(reader, writer, path);
  }
  try {
    reader.createResolver(writer);
    return undefined;
  } catch {
    const where = path === '' ? 'it' : path;
    return `${where} is of type ${writer.typeName}, where ${reader.typeName} is read`;
  }
}

function findRecordMisfit(
  reader: avro.types.RecordType,
  writer: avro.types.RecordType,
  path: string,
): string | undefined {
  for (const field of reader.fields) {
    const fieldPath = path === '' ? field.name : `${path}.${field.name}`;
    const written = writer.fields.find(({ name }) => name === field.name);
    if (written) {
      const misfit = findMisfit(field.type, written.type, fieldPath);
      if (misfit !== undefined) return misfit;
    } else if (field.defaultValue() === undefined) {
      return `${fieldPath} is missing`;
    }
  }
  return undefined;
}

/** Undefined when one branch fits, else what is wrong with the last. */
function firstFitting(
  branches: readonly avro.Type[],
  misfitOf: (branch: avro.Type) => string | undefined,
): string | undefined {
  let misfit: string | undefined = 'a union has no branches';
  for (const branch of branches) {
    misfit = misfitOf(branch);
    if (misfit === undefined) return undefined;
  }
  return misfit;
}

function isUnion(
  type: avro.Type,
): type is avro.types.WrappedUnionType | avro.types.UnwrappedUnionType {
  return (
    type instanceof avro.types.WrappedUnionType || type instanceof avro.types.UnwrappedUnionType
  );
}
