import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountSmallDisk, type SmallDisk } from '../kit/small-disk.ts';
import { FolderReader, judge } from '../kit/system/arrivals.ts';
import { createJob, postEvents } from '../kit/system/client.ts';
import { item, Load } from '../kit/system/load.ts';
import { eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: a full disk costs acknowledgements, never acknowledged events, and freeing space is all that
 * must be done about it. Method: the data folder lies on a disk of its own, which is filled while events
 * are sent and delivered.
 */
const ACCOUNT = 'acme';
const DISK_MEBIBYTES = 64;
const disk = mountSmallDisk(DISK_MEBIBYTES);

if ('unavailable' in disk) describe('a full disk', () => it.skip(disk.unavailable));
else diskTests(disk);

/** Takes all the space that is left. */
function fill(file: string): void {
  const block = Buffer.alloc(4096, 'x');
  const descriptor = openSync(file, 'a');
  try {
    for (;;) writeSync(descriptor, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(descriptor);
  }
}

function diskTests(small: SmallDisk): void {
  const dataFolder = join(small.folder, 'data');
  const out = join(dataFolder, 'out');
  const ballast = join(small.folder, 'ballast');
  let program: Program;

  beforeAll(async () => {
    mkdirSync(out, { recursive: true });
    program = await Program.start({ command: 'up', dataFolder });
  });
  afterAll(async () => {
    await program.kill();
    small.unmount();
  });

  const readiness = async (): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${program.url}/readyz`);
    return { status: answer.status, text: await answer.text() };
  };

  describe('a full disk', () => {
    it('refuses events while it lasts, and loses and repeats none', async () => {
      const job = { destination_conf: 'file://events', max_upload_interval_seconds: 1 };
      await createJob(program.url, ACCOUNT, { ...job, name: 'files' });
      const load = new Load([program.url], ACCOUNT);
      await load.send(2000);

      for (const isKilled of [false, true]) {
        fill(ballast);
        const refused = await sendUntilRefused(load);
        expect(refused.status).toBe(503);
        expect(refused.message).toMatch(/^nothing was acknowledged.*disk that holds .* is full/);
        // Progress is written every two seconds.
        await eventually('the stores have noticed', 15_000, async () => {
          const { status, text } = await readiness();
          return status === 503 && /stores: the database .* its disk is full: free some/.test(text);
        });
        expect((await fetch(`${program.url}/healthz`)).status).toBe(200);
        const another = createJob(program.url, ACCOUNT, { ...job, name: 'another' });
        await expect(another).rejects.toThrow(/no space is left on the device/);

        if (isKilled) await program.kill();
        rmSync(ballast);
        if (isKilled) program.launch();
        await program.ready();
        await load.send(load.acknowledged.size + 2000);
      }
      const files = new FolderReader(out);
      await eventually('every acknowledged event is delivered', 60_000, () => {
        const arrivals = files.look();
        return [...load.acknowledged].every((id) => arrivals.has(id));
      });
      const right = { missing: 0, repeated: 0, foreign: 0 };
      expect(judge(files.look(), load.acknowledged, load.uncertain)).toEqual(right);
      expect(await program.terminate()).toBe(0);
    });
  });

  /** What still fits beside the ballast, in the file's free pages, is acknowledged. */
  async function sendUntilRefused(load: Load): Promise<{ status: number; message: string }> {
    for (;;) {
      const id = randomUUID();
      const answer = await postEvents(program.url, [item(ACCOUNT, id)]);
      const isAcknowledged = answer.status === 202;
      (isAcknowledged ? load.acknowledged : load.uncertain).add(id);
      if (!isAcknowledged) return answer;
    }
  }
}
