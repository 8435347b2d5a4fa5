import type { Dataset } from '@trailpush/core';
import { gunzipSync } from 'node:zlib';
import { compileFrame } from '../../services/batcher/src/frame.ts';
import { MemoryBudget } from '../../services/batcher/src/memory-budget.ts';
import { PayloadBuilder } from '../../services/batcher/src/payload.ts';
import { storedOptions } from './stored-options.ts';

const MIB = 1024 * 1024;

/** The whole payload of one batch: records of a foreign dataset under these output options. */
export async function batchOf(
  dataset: Dataset,
  outputOptions: unknown,
  records: readonly object[],
): Promise<string> {
  const { line, frame } = dataset.parseOutputOptions(storedOptions(outputOptions));
  const reader = dataset.openReader();
  const writeLine = reader.compileLine(line);
  const budget = new MemoryBudget(MIB);
  const builder = new PayloadBuilder({ budget, gzipLevel: 6, frame: compileFrame(frame) });
  const into = Buffer.alloc(64 * 1024);
  for (const record of records) {
    reader.load(Buffer.from(JSON.stringify(record)), Buffer.alloc(0));
    builder.append(into, writeLine(into, 0));
  }
  builder.seal();
  const payload = await builder.finish();
  return gunzipSync(Buffer.concat(payload?.pieces ?? [])).toString();
}
