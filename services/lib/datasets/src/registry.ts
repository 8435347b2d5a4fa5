import type { Dataset } from '@trailpush/core';
import { auditLogs } from './audit-logs.ts';
import { auditLogsV2 } from './audit-logs-v2.ts';
import type { SchemaSource } from './event-reader.ts';

/** All datasets, by the name that jobs use. One line a dataset. */
export function datasets(schemas: SchemaSource): ReadonlyMap<string, Dataset> {
  const all = [auditLogs(schemas), auditLogsV2(schemas)];
  return new Map(all.map((dataset) => [dataset.id, dataset]));
}
