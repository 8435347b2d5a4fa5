import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../kit/postgres/ready.ts';
import { startPostgres, type TestPostgres } from '../kit/postgres.ts';
import { FolderReader, judge } from '../kit/system/arrivals.ts';
import { createJob } from '../kit/system/client.ts';
import { Load } from '../kit/system/load.ts';
import { eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: an outage of the database delays deliveries and does nothing else. Method: the real program with
 * the embedded log and a PostgreSQL that is killed twice while events are sent, the second time while
 * the program is killed too.
 */
const ACCOUNT = 'acme';
const EVENTS_A_STEP = 10_000;
const server = await startPostgres({ disposable: true });

if ('unavailable' in server) {
  describe('a PostgreSQL that goes away', () => it.skip(server.unavailable));
} else {
  outageTests(server);
}

function outageTests(postgres: TestPostgres): void {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-postgres-restart-'));
  let program: Program;

  beforeAll(async () => {
    mkdirSync(join(folder, 'out'));
    const { url } = await createTestDatabase(postgres.url);
    const environment = { DATABASE_URL: url };
    program = await Program.start({ command: 'up', dataFolder: folder, environment });
  });
  afterAll(async () => {
    await program.kill();
    await postgres.stop();
    rmSync(folder, { recursive: true });
  });

  const notReadyBecause = async (): Promise<string> => {
    const answer = await fetch(`${program.url}/readyz`);
    return answer.status === 503 ? answer.text() : '';
  };

  describe('a PostgreSQL that goes away', () => {
    it('is waited for, and nothing is lost or repeated', { timeout: 240_000 }, async () => {
      const job = { destination_conf: 'file://events', max_upload_interval_seconds: 1 };
      await createJob(program.url, ACCOUNT, { ...job, name: 'files' });
      const load = new Load([program.url], ACCOUNT);
      const files = new FolderReader(join(folder, 'out'));
      await load.send(EVENTS_A_STEP);
      await eventually('deliveries have begun', 30_000, () => files.look().size > 0);

      for (const isKilled of [false, true]) {
        const sending = load.send(load.acknowledged.size + EVENTS_A_STEP);
        await postgres.kill();
        await eventually('it is not ready', 30_000, async () =>
          /stores: PostgreSQL at .* cannot be reached/.test(await notReadyBecause()),
        );
        // The log does not need the database: events are taken in all the same.
        await sending;
        const another = createJob(program.url, ACCOUNT, { ...job, name: 'another' });
        await expect(another).rejects.toThrow(/PostgreSQL at .* cannot be reached/);
        expect((await fetch(`${program.url}/healthz`)).status).toBe(200);

        if (isKilled) await program.kill();
        await postgres.restart();
        if (isKilled) program.launch();
        await program.ready();
        await load.send(load.acknowledged.size + EVENTS_A_STEP);
      }
      await eventually('every acknowledged event is delivered', 60_000, () => {
        const arrivals = files.look();
        return [...load.acknowledged].every((id) => arrivals.has(id));
      });
      const right = { missing: 0, repeated: 0, foreign: 0 };
      expect(judge(files.look(), load.acknowledged, load.uncertain)).toEqual(right);
      expect(await program.terminate()).toBe(0);
    });
  });
}
