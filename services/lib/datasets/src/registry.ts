import type { Dataset } from '@trailpush/core';
import { auditLogsV2 } from './audit-logs-v2.ts';
import type { SchemaSource } from './event-reader.ts';

/** All datasets, by the name that jobs use. One line a dataset. */
export function datasets(schemas: SchemaSource): ReadonlyMap<string, Dataset> {
  return new Map([auditLogsV2(schemas)].map((dataset) => [dataset.id, dataset]));
}
