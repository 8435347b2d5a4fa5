import { expect, it, vi } from 'vitest';

import { FakeClock } from '../../fake-clock.ts';
import { type DestinationHarness, makeObject, put, withPlace } from './suite.ts';

/** How attempts end that are not answered, or not waited for. */
export function abortContract(harness: DestinationHarness): void {
  it('tries nothing when the signal is aborted already', () =>
    withPlace(harness, async (place) => {
      const result = await place.destination.put(makeObject(), AbortSignal.abort());
      expect(result.verdict.kind).toBe('retry');
      expect((await place.stored()).size).toBe(0);
    }));

  it('gives retry, and stores the whole object or nothing, when aborted on the way', () =>
    withPlace(harness, async (place) => {
      const abort = new AbortController();
      const objects = Array.from({ length: 4 }, () => makeObject());
      const attempts = objects.map((object) => place.destination.put(object, abort.signal));
      await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      for (const result of await Promise.all(attempts)) {
        expect(['retry', 'delivered']).toContain(result.verdict.kind);
      }
      const whole = objects.map(({ bodyBytes }) => bodyBytes);
      for (const [body] of (await place.stored()).values()) expect(whole).toContain(body?.length);
    }));

  it('gives retry after it was closed', () =>
    withPlace(harness, async (place) => {
      await place.destination.close();
      expect((await put(place.destination, makeObject())).verdict.kind).toBe('retry');
      expect((await place.stored()).size).toBe(0);
    }));
}

/** Only for servers that can be scripted. */
export function silenceContract(harness: DestinationHarness): void {
  it('gives up a server that never answers, at the deadline and not before', async () => {
    const clock = new FakeClock();
    await withPlace(
      harness,
      async (place) => {
        place.faults!.push({ then: { kind: 'silence' }, store: true });
        let ended = false;
        const attempt = put(place.destination, makeObject()).finally(() => (ended = true));
        await vi.waitUntil(async () => (await place.stored()).size === 1);
        await clock.advance(60_000);
        expect(ended).toBe(false);
        await clock.advance(300_000);
        const result = await attempt;
        expect(result.verdict.kind).toBe('retry');
        expect(result.message).toContain('not done within');
      },
      clock,
    );
  });

  it('gives up a server that asks for another protocol, at the deadline at the latest', async () => {
    const clock = new FakeClock();
    await withPlace(
      harness,
      async (place) => {
        const headers = { connection: 'upgrade', upgrade: 'other' };
        place.faults!.push({ then: { kind: 'answer', status: 101, headers } });
        const attempt = put(place.destination, makeObject());
        await vi.waitUntil(() => place.faults!.taken === 1);
        // By the time that this one has passed, the other's connection is closed.
        const next = await put(place.destination, makeObject());
        expect(next.verdict.kind).toBe('delivered');
        await clock.advance(300_000);
        expect((await attempt).verdict.kind).toBe('retry');
      },
      clock,
    );
  });

  it('gives retry when an attempt without an answer is aborted', () =>
    withPlace(harness, async (place) => {
      place.faults!.push({ then: { kind: 'silence' }, store: true });
      const abort = new AbortController();
      const attempt = place.destination.put(makeObject(), abort.signal);
      await vi.waitUntil(async () => (await place.stored()).size === 1);
      abort.abort();
      expect((await attempt).verdict.kind).toBe('retry');
    }));
}
