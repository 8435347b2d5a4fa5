import type { Dataset } from '@trailpush/core';
import { AuditEventReader, type SchemaSource } from './event-reader.ts';
import type { Field } from './field.ts';
import { parseOutputOptions } from './output-options.ts';

/** A dataset over records of `schemas/avro/audit_event.avsc`. */
export function auditDataset(id: string, fields: readonly Field[], schemas: SchemaSource): Dataset {
  const openReader = () => new AuditEventReader(fields, schemas);
  return {
    id,
    fields,
    openReader,
    checkFilter: (filter) => void openReader().compileFilter(filter),
    parseOutputOptions: (stored) => parseOutputOptions(fields, stored),
  };
}
