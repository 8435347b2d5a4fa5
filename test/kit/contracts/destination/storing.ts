import { expect, it } from 'vitest';

import {
  bodyOf,
  type DestinationHarness,
  makeObject,
  type OpenPlace,
  put,
  withPlace,
} from './suite.ts';

/** What arrives, and how often. */
export function storingContract(harness: DestinationHarness): void {
  it('delivers the exact bytes of an object', () =>
    withPlace(harness, async (place) => {
      const object = makeObject();
      expect(await put(place.destination, object)).toMatchObject({
        verdict: { kind: 'delivered' },
      });
      const bodies = [...(await place.stored()).values()].flat();
      expect(bodies).toHaveLength(1);
      expect(bodies[0]!.equals(bodyOf(object))).toBe(true);
    }));

  it('delivers objects that are put in parallel', () =>
    withPlace(harness, async (place) => {
      const objects = Array.from({ length: 12 }, () => makeObject());
      const results = await Promise.all(objects.map((object) => put(place.destination, object)));
      expect(results.map(({ verdict }) => verdict.kind)).toEqual(objects.map(() => 'delivered'));
      const stored = await place.stored();
      for (const object of objects) {
        const [body] = stored.get(nameOf(place, object)) ?? [];
        expect(body?.equals(bodyOf(object))).toBe(true);
      }
    }));

  it('makes one object, or one Idempotency-Key, of one that is put twice', () =>
    withPlace(harness, async (place) => {
      const object = makeObject();
      await put(place.destination, object);
      const again = await put(place.destination, object);
      // R2 takes one write a second to a key; the caller waits that long.
      expect(['delivered', 'throttled']).toContain(again.verdict.kind);
      const stored = await place.stored();
      expect([...stored.keys()]).toEqual([nameOf(place, object)]);
      for (const body of stored.get(nameOf(place, object))!) {
        expect(body.equals(bodyOf(object))).toBe(true);
      }
    }));

  it('refuses no later object after one that was put', () =>
    withPlace(harness, async (place) => {
      for (let round = 0; round < 3; round += 1) {
        const result = await put(place.destination, makeObject());
        expect(result.verdict.kind).toBe('delivered');
      }
    }));
}

/** Only for kinds that store under the key. */
export function keyContract(harness: DestinationHarness): void {
  it.each([
    'plus+and space',
    'a&b=c;d',
    'ünïcödé-日本',
    "it's (1)!*",
    'dt=20260101',
    '100%25',
    'tilde~',
  ])('stores below the odd folder %s under exactly that key', (folder) =>
    withPlace(harness, async (place) => {
      const object = makeObject({ key: `odd/${folder}/o.log.gz` });
      expect(await put(place.destination, object)).toMatchObject({
        verdict: { kind: 'delivered' },
      });
      expect([...(await place.stored()).keys()]).toEqual([object.key]);
    }),
  );
}

function nameOf(place: OpenPlace, object: ReturnType<typeof makeObject>): string {
  return place.parsed.exactlyOnce ? object.key : object.idempotencyKey;
}
