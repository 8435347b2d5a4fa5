import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpReceiver } from '../kit/http-receiver.ts';
import { ReceiverReader } from '../kit/system/arrivals.ts';
import { changeJob, getJob } from '../kit/system/client.ts';
import { eventually } from '../kit/system/program.ts';
import { expectExactly, FaultWorld } from './world.ts';

/**
 * Rows of the fault matrix about HTTP receivers. Method: one running program; each row has an account, a
 * receiver that misbehaves, and a job to files that must not notice.
 */
const EVENTS = 2_000;
let world: FaultWorld;
beforeAll(async () => {
  world = await FaultWorld.start();
});
afterAll(() => world.stop());

/** A receiver, a job for it, and files beside it. */
async function setUp(row: number) {
  const account = `row-${row}`;
  const receiver = await world.receiver();
  const id = await world.job(account, `${receiver.origin}/in`);
  const files = await world.files(account);
  const http = new ReceiverReader(receiver);
  return { account, receiver, id, files, http, load: world.load(account) };
}

/** Requests with events; others are test uploads. */
const batches = (receiver: HttpReceiver) =>
  receiver.received.filter(({ body }) => gunzipSync(body).includes('AuditLogID'));

const failing = (account: string, id: number, words: RegExp) =>
  eventually(`job ${id} tells of its failure`, 60_000, async () => {
    const { error_message: message } = await getJob(world.program.url, account, id);
    return typeof message === 'string' && words.test(message);
  });

describe.concurrent('the fault matrix: HTTP receivers', () => {
  it('row 41: holds the line at a batch that was answered 401 while others pass', async () => {
    const { account, receiver, id, files, http, load } = await setUp(41);
    receiver.faults.push({ then: { kind: 'answer', status: 401, body: 'who are you' } });
    await load.send(EVENTS);
    await failing(account, id, /401.*who are you/);
    await expectExactly(41, load, [files, http]);
  });

  it('row 42: waits as long as Retry-After says', async () => {
    const { receiver, files, http, load } = await setUp(42);
    let refusedAtMs = 0;
    const throttled = { kind: 'answer', status: 429, headers: { 'retry-after': '4' } } as const;
    receiver.faults.push({ then: throttled });
    await load.send(500);
    await eventually('it is throttled', 30_000, () => {
      refusedAtMs ||= receiver.faults.taken > 0 ? Date.now() : 0;
      return refusedAtMs > 0;
    });
    await expectExactly(42, load, [files, http]);
    // The look comes a little after the answer.
    expect(batches(receiver)[0]!.receivedAtMs - refusedAtMs).toBeGreaterThan(3_500);
  });

  it('row 43: sends again under the same key after an answer that was cut', async () => {
    const { receiver, files, http, load } = await setUp(43);
    receiver.faults.push({ store: true, then: { kind: 'cut_answer' } });
    receiver.faults.push({ store: true, then: { kind: 'reset', when: 'after_body' } });
    await load.send(EVENTS);
    await expectExactly(43, load, [files, http]);
    await eventually('both were repeated', 30_000, () => (http.look(), http.repeats >= 2));
  });

  it.for([301, 302, 307])('row 44: does not follow a %i', async (status) => {
    const account = `row-44-${status}`;
    const elsewhere = await world.receiver();
    const receiver = await world.receiver();
    const id = await world.job(account, `${receiver.origin}/in`);
    const location = `${elsewhere.origin}/stolen`;
    receiver.faults.always({ then: { kind: 'answer', status, headers: { location } } });
    const load = world.load(account);
    await load.send(200);
    await failing(account, id, new RegExp(String(status)));
    expect(elsewhere.received).toEqual([]);
    receiver.faults.clear();
    await expectExactly(44, load, [new ReceiverReader(receiver)]);
    expect(elsewhere.received).toEqual([]);
  });

  it('row 47: goes on when a receiver that refused, reset and was silent listens again', async () => {
    const { account, receiver, id, files, http, load } = await setUp(47);
    const { port } = receiver;
    await receiver.stop();
    await load.send(EVENTS);
    await failing(account, id, /refused/i);
    const sockets = new Set<Socket>();
    const resetting = createServer((socket) => socket.resetAndDestroy()).listen(port, '127.0.0.1');
    await once(resetting, 'listening');
    await failing(account, id, /reset|closed/i);
    resetting.close();
    await once(resetting, 'close');
    const silent = createServer((socket) => sockets.add(socket)).listen(port, '127.0.0.1');
    await eventually('it waits for silence', 60_000, () => sockets.size > 0);
    for (const socket of sockets) socket.destroy();
    silent.close();
    await once(silent, 'close');
    const again = await world.receiver({ port });
    await expectExactly(47, load, [files, new ReceiverReader(again)]);
    expect(http.look().size).toBe(0);
  });

  it('row 49: is not slowed down by a receiver that takes a second for each request', async () => {
    const { receiver, files, http, load } = await setUp(49);
    receiver.faults.always({ delayMs: 1_000, then: { kind: 'proceed' } });
    await load.send(EVENTS);
    await eventually('files have everything', 30_000, () =>
      [...load.acknowledged].every((id) => files.look().has(id)),
    );
    await expectExactly(49, load, [files, http]);
  });

  it('row 50: delivers to twenty receivers while twenty others are down', async () => {
    const accounts = Array.from({ length: 20 }, (_, n) => `row-50-${n}`);
    const [good, bad] = [await world.receiver(), await world.receiver()];
    const load = world.load(accounts[0]!);
    for (const account of accounts) {
      await world.job(account, `${good.origin}/in`);
      await world.job(account, `${bad.origin}/in`);
    }
    // Only now: a job is not made for a place that refuses the test upload.
    bad.faults.always({ then: { kind: 'answer', status: 503 } });
    const loads = [load, ...accounts.slice(1).map((account) => world.load(account))];
    for (const each of loads) await each.send(100);
    for (const each of loads) await expectExactlyAmong(each, new ReceiverReader(good));
    const arrived = new ReceiverReader(bad).look();
    expect(
      loads.flatMap(({ acknowledged }) => [...acknowledged]).some((id) => arrived.has(id)),
    ).toBe(false);
    bad.faults.clear();
    for (const each of loads) await expectExactlyAmong(each, new ReceiverReader(bad));
  });

  it('row 60: brings what an old place did not take to the new one', async () => {
    const { account, receiver, id, files, load } = await setUp(60);
    receiver.faults.always({ then: { kind: 'answer', status: 503 } });
    await load.send(EVENTS);
    await failing(account, id, /503/);
    const place = await world.receiver();
    await changeJob(world.program.url, account, id, { destination_conf: `${place.origin}/new` });
    await expectExactly(60, load, [files, new ReceiverReader(place)]);
    expect(batches(receiver)).toEqual([]);
  });

  it('row 59: keeps every event through fifty changes of a job', async () => {
    const { account, id, files, http, load } = await setUp(59);
    const sending = load.send(10_000);
    for (let changes = 0; load.acknowledged.size < 10_000 || changes < 50; changes++) {
      const change = [{ enabled: false }, { enabled: true }, { name: `n-${changes}` }][changes % 3];
      await changeJob(world.program.url, account, id, change!);
    }
    await sending;
    await changeJob(world.program.url, account, id, { enabled: true });
    await expectExactly(59, load, [files, http]);
  });
});

/** The receiver takes from several accounts: only those of the load are judged. */
async function expectExactlyAmong(
  load: ReturnType<FaultWorld['load']>,
  reader: ReceiverReader,
): Promise<void> {
  await eventually('all of one account arrived', 90_000, () =>
    [...load.acknowledged].every((id) => reader.look().get(id) === 1),
  );
}
