import { describe, expect, it } from 'vitest';
import type { AttemptResult, Destination, ObjectToPut } from '@trailpush/core';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { Uploads, type Upload } from './uploads.ts';

const OBJECT = { key: 'a key' } as ObjectToPut;
const DELIVERED: AttemptResult = { verdict: { kind: 'delivered' } };

/** A destination whose puts end when the test says so. */
class HeldDestination implements Destination {
  readonly puts: ((result: AttemptResult) => void)[] = [];

  put(): Promise<AttemptResult> {
    return new Promise((resolve) => this.puts.push(resolve));
  }

  probe(): Promise<AttemptResult> {
    return Promise.reject(new Error('uploads send no probes'));
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

function uploadTo(destination: Destination, changes: Partial<Upload> = {}): Upload {
  const { signal } = new AbortController();
  return {
    destination,
    object: OBJECT,
    signal,
    isProbe: false,
    isLive: true,
    isDue: () => true,
    ...changes,
  };
}

describe('uploads', () => {
  it('never let jobs that fail take the slots of healthy ones', async () => {
    const clock = new FakeClock();
    const uploads = new Uploads(clock);
    const [failing, healthy] = [new HeldDestination(), new HeldDestination()];
    for (let i = 0; i < 100; i++) void uploads.put(uploadTo(failing, { isProbe: true }));
    for (let i = 0; i < 100; i++) void uploads.put(uploadTo(healthy));
    await clock.advance(0);
    expect([failing.puts.length, healthy.puts.length]).toEqual([4, 16]);
    healthy.puts[3]!(DELIVERED);
    await clock.advance(0);
    expect([failing.puts.length, healthy.puts.length]).toEqual([4, 17]);
  });

  it('go on past destinations that never answer, healthy ones and failing ones alike', async () => {
    const clock = new FakeClock();
    const uploads = new Uploads(clock);
    const dead = Array.from({ length: 500 }, () => new HeldDestination());
    for (const isProbe of [false, true]) {
      for (const destination of dead) void uploads.put(uploadTo(destination, { isProbe }));
      const healthy = new HeldDestination();
      void uploads.put(uploadTo(healthy, { isProbe }));
      await clock.advance(40_000);
      expect(healthy.puts).toHaveLength(1);
    }
  });

  it('wait for a destination that hangs, and take no slot for it', async () => {
    const clock = new FakeClock();
    const uploads = new Uploads(clock);
    const dead = new HeldDestination();
    void uploads.put(uploadTo(dead));
    await clock.advance(6000);
    for (let i = 0; i < 20; i++) void uploads.put(uploadTo(dead));
    const healthy = new HeldDestination();
    void uploads.put(uploadTo(healthy));
    await clock.advance(3000);
    expect([dead.puts.length, healthy.puts.length]).toEqual([1, 1]);
    dead.puts[0]!(DELIVERED);
    await clock.advance(10);
    expect(dead.puts).toHaveLength(17);
  });

  it('put new events before old ones', async () => {
    const clock = new FakeClock();
    const uploads = new Uploads(clock);
    const [old, live] = [new HeldDestination(), new HeldDestination()];
    for (let i = 0; i < 30; i++) void uploads.put(uploadTo(old, { isLive: false }));
    void uploads.put(uploadTo(live));
    await clock.advance(0);
    expect(live.puts).toHaveLength(0);
    old.puts[0]!(DELIVERED);
    await clock.advance(0);
    expect([old.puts.length, live.puts.length]).toEqual([16, 1]);
  });

  it('send nothing that was due when it was queued and is not any more', async () => {
    const clock = new FakeClock();
    const uploads = new Uploads(clock);
    const destination = new HeldDestination();
    for (let i = 0; i < 16; i++) void uploads.put(uploadTo(destination));
    let isDue = true;
    const stop = new AbortController();
    const late = uploads.put(uploadTo(destination, { isDue: () => isDue }));
    const aborted = uploads.put(uploadTo(destination, { signal: stop.signal }));
    isDue = false;
    stop.abort();
    for (const end of destination.puts.slice()) end(DELIVERED);
    expect([await late, await aborted]).toEqual([undefined, undefined]);
    expect(destination.puts).toHaveLength(16);
  });

  it('tell how long the put took, without its time in the queue', async () => {
    const clock = new FakeClock();
    const uploads = new Uploads(clock);
    const destination = new HeldDestination();
    for (let i = 0; i < 16; i++) void uploads.put(uploadTo(destination));
    const queued = uploads.put(uploadTo(destination));
    await clock.advance(50);
    for (const end of destination.puts.slice()) end(DELIVERED);
    await clock.advance(700);
    destination.puts[16]!(DELIVERED);
    expect(await queued).toEqual({ ...DELIVERED, tookMs: 700 });
  });

  it('take a destination that throws for one that failed', async () => {
    const destination: Destination = {
      put: () => Promise.reject(new Error('a bug')),
      probe: () => Promise.reject(new Error('a bug')),
      close: () => Promise.resolve(),
    };
    expect(await new Uploads(new FakeClock()).put(uploadTo(destination))).toMatchObject({
      verdict: { kind: 'retry' },
      message: 'The attempt ended in an internal error: a bug',
    });
  });
});
