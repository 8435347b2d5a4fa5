import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HttpReceiver } from '../kit/http-receiver.ts';
import { FolderReader, judge, ReceiverReader, type Arrivals } from '../kit/system/arrivals.ts';
import { createJob, getJob } from '../kit/system/client.ts';
import { Load } from '../kit/system/load.ts';
import { eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: a destination that is down costs its own job only. Method: one of two destinations refuses
 * everything while 200,000 events pass; the other one must get them meanwhile, memory must stay low,
 * and the one that was down must get everything afterwards, each event once per Idempotency-Key.
 */
const EVENTS = 200_000;
const ACCOUNT = 'acme';
const MAX_RESIDENT_BYTES = 400e6;
const folder = mkdtempSync(join(tmpdir(), 'trailpush-outage-'));
let receiver: HttpReceiver;
let program: Program;

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  receiver = await HttpReceiver.start();
  program = await Program.start({ command: 'up', dataFolder: folder });
});

afterAll(async () => {
  await program.kill();
  await receiver.stop();
  rmSync(folder, { recursive: true, force: true });
});

it(
  'holds back for a dead destination alone, and catches up when it returns',
  { timeout: 300_000 },
  async () => {
    const interval = { max_upload_interval_seconds: 1 };
    await createJob(program.url, ACCOUNT, {
      name: 'file',
      destination_conf: 'file://files/{DATE}',
      ...interval,
    });
    const id = await createJob(program.url, ACCOUNT, {
      name: 'http',
      destination_conf: `${receiver.origin}/in`,
      ...interval,
    });
    receiver.faults.always({ then: { kind: 'answer', status: 503 } });
    const load = new Load([program.url], ACCOUNT);
    await load.send(EVENTS);

    const isComplete = (arrivals: Arrivals): boolean =>
      [...load.acknowledged].every((id) => arrivals.has(id));
    const files = new FolderReader(join(folder, 'out', 'files'));
    await eventually('the healthy destination has everything', 30_000, () =>
      isComplete(files.look()),
    );
    // All that it has is the test upload of the creation.
    expect(receiver.received.map(({ headers }) => headers['idempotency-key'])).toEqual([
      expect.stringMatching(/^"test-/),
    ]);
    const failing = await getJob(program.url, ACCOUNT, id);
    expect(failing['error_message']).toContain('503');

    receiver.faults.clear();
    const http = new ReceiverReader(receiver);
    await eventually('the other one has everything too', 180_000, () => isComplete(http.look()));
    for (const reader of [files, http]) {
      expect(judge(reader.look(), load.acknowledged, load.uncertain)).toEqual({
        missing: 0,
        repeated: 0,
        foreign: 0,
      });
    }
    expect(program.peakResidentBytes).toBeLessThan(MAX_RESIDENT_BYTES);
    await eventually('the job is well again', 10_000, async () => {
      const healed = await getJob(program.url, ACCOUNT, id);
      return healed['last_error'] == null && healed['error_message'] == null;
    });
  },
);
