import type { RecordLog } from '@trailpush/core';
import { datasets, WriterSchemas } from '@trailpush/datasets';
import { expect } from 'vitest';

import type { ApiFixture } from './api-fixture.ts';

/** Every event of a log as the `audit_logs_v2` line that customers get, parsed. */
export async function linesInLog(log: RecordLog): Promise<Record<string, unknown>[]> {
  const dataset = datasets(new WriterSchemas({})).get('audit_logs_v2')!;
  const eventReader = dataset.openReader();
  const outputOptions = '{"timestamp_format":"rfc3339"}';
  const { line } = dataset.parseOutputOptions({ outputOptions, logpullOptions: null });
  const writeLine = eventReader.compileLine(line);
  const into = Buffer.alloc(1024 * 1024);
  const lines: Record<string, unknown>[] = [];
  for (const { partition, start, end } of await log.bounds()) {
    const reader = log.openReader(partition, start);
    for (let at = start; at < end;) {
      const { records, nextOffset } = await reader.read();
      for (const { key, value } of records) {
        eventReader.load(value!, key!);
        lines.push(
          JSON.parse(into.toString('utf8', 0, writeLine(into, 0))) as Record<string, unknown>,
        );
      }
      at = nextOffset;
    }
    await reader.close();
  }
  return lines;
}

/** As `linesInLog`, once so many are there, and no event waits any more. */
export async function relayedLines(
  { log, stores }: Pick<ApiFixture, 'log' | 'stores'>,
  count: number,
): Promise<Record<string, unknown>[]> {
  await expect.poll(async () => (await linesInLog(log)).length).toBe(count);
  expect(await stores.outbox.count()).toBe(0);
  return linesInLog(log);
}
