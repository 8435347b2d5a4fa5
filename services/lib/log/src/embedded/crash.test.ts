import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '@trailpush/runtime';
import { readAll } from '@trailpush/test/kit/contracts/record-log/suite.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { openEmbeddedLog } from './embedded-log.ts';

const CHILD = fileURLToPath(
  import.meta.resolve('@trailpush/test/kit/children/append-until-killed.ts'),
);
const KILLS = 4;

/** Lets the child append, kills it after so many acknowledgements, and adds the latest to `acknowledged`. */
async function appendAndKill(dir: string, acks: number, acknowledged: Map<string, number>) {
  const child = spawn(process.execPath, [CHILD, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let seen = 0;
  // The lines that were printed between the decision and the kill count as well.
  for await (const line of createInterface({ input: child.stdout })) {
    const [writer = '', number] = line.split(' ');
    acknowledged.set(writer, Number(number));
    seen += 1;
    if (seen === acks) child.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
}

describe('the embedded log of a process that is killed', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'trailpush-crash-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('holds everything that was acknowledged, once and in order', async () => {
    const acknowledged = new Map<string, number>();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await appendAndKill(dir, randomInt(1, 25), acknowledged);
    }
    const { logger } = createRecordingLogger();
    const log = await openEmbeddedLog({ dir, clock: systemClock, logger });
    const numbers = new Map<string, number[]>();
    for (const { records } of await readAll(log)) {
      for (const { key, value } of records) {
        const of = numbers.get(String(key)) ?? [];
        of.push(Number(String(value).split(' ', 1)));
        numbers.set(String(key), of);
      }
    }
    await log.close();
    expect(acknowledged.size).toBe(5);
    for (const [writer, last] of acknowledged) {
      const found = numbers.get(writer) ?? [];
      expect(found.length).toBeGreaterThan(last);
      expect(found.findIndex((number, i) => number !== i)).toBe(-1);
    }
  }, 60_000);
});
