import { gunzipSync } from 'node:zlib';

import { expect, it, vi } from 'vitest';

import { FakeClock } from '../../fake-clock.ts';
import { type DestinationHarness, makeObject, put, withPlace } from './suite.ts';

/** The test upload, whose form Logpush documents. */
export function probeContract(harness: DestinationHarness): void {
  it('sends the documented test upload, beside the objects and never as one', () =>
    withPlace(harness, async (place) => {
      const { signal } = new AbortController();
      expect(await place.destination.probe(signal)).toMatchObject({
        verdict: { kind: 'delivered' },
      });
      await put(place.destination, makeObject());
      const [[key, [body]] = ['', []], ...rest] = [...(await place.stored())].filter(([name]) =>
        name.includes('test'),
      );
      expect(rest).toHaveLength(0);
      expect(gunzipSync(body!).toString()).toBe('{"content":"tests"}');
      if (harness.storesByKey) expect(key).toMatch(/(?:^|\/)_trailpush\/test\.txt\.gz$/);
    }));

  it('sends nothing when the signal is aborted already', () =>
    withPlace(harness, async (place) => {
      const result = await place.destination.probe(AbortSignal.abort());
      expect(result.verdict.kind).toBe('retry');
      expect((await place.stored()).size).toBe(0);
    }));
}

/** Only for servers that can be scripted: the answer to a probe is judged as that to an object. */
export function probeAnswerContract(harness: DestinationHarness): void {
  it('says that a probe was refused, and why', () =>
    withPlace(harness, async (place) => {
      place.faults!.push({ then: { kind: 'answer', status: 403 } });
      const result = await place.destination.probe(new AbortController().signal);
      expect(result).toMatchObject({ verdict: { kind: 'refused' }, status: 403 });
      expect(result.message).toContain('error 403: error pushing');
    }));

  it('makes a probe once more when the first came too soon', async () => {
    const clock = new FakeClock();
    await withPlace(
      harness,
      async (place) => {
        place.faults!.push({ then: { kind: 'answer', status: 429 } });
        let kind = '';
        void place.destination
          .probe(new AbortController().signal)
          .then(({ verdict }) => (kind = verdict.kind));
        await vi.waitUntil(async () => {
          await clock.advance(1_000);
          return kind !== '';
        });
        expect(kind).toBe('delivered');
        expect((await place.stored()).size).toBe(1);
      },
      clock,
    );
  });

  it('gives up a probe that is never answered after 2 minutes', async () => {
    const clock = new FakeClock();
    await withPlace(
      harness,
      async (place) => {
        place.faults!.push({ then: { kind: 'silence' }, store: true });
        const probe = place.destination.probe(new AbortController().signal);
        await vi.waitUntil(async () => (await place.stored()).size === 1);
        await clock.advance(120_000);
        expect((await probe).message).toContain('not done within 120000 ms');
      },
      clock,
    );
  });
}
