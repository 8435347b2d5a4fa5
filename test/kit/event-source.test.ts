import { parseEventItem } from '@trailpush/datasets';
import { describe, expect, test } from 'vitest';

import { encodeEvent } from '../../services/lib/datasets/src/event-codec.ts';
import { EventSource } from './event-source.ts';
import { oracleLine } from './line-oracle.ts';

const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const OPTIONS = { maxLineBytes: 1e6, newId: () => 'no id', nowMicros: () => 0 };

describe('an event source', () => {
  test('says the same of an event in all its forms', () => {
    for (const accounts of [20, ['a', 'bb', 'another-account']]) {
      const source = new EventSource({ accounts, templates: 300 });
      for (const index of [...range(1500), 2 ** 33 + 1]) {
        const event = source.event(index);
        const parsed = parseEventItem(Buffer.from(source.item(index)), OPTIONS);
        expect(parsed).toEqual({
          ok: true,
          event,
          tenant: { kind: 'account', id: source.account(index) },
        });
        const { key, value } = source.encoded(index);
        expect(key).toBe(event.account?.id);
        expect(Buffer.compare(value, encodeEvent(event))).toBe(0);
      }
    }
  });

  test('gives the same events for the same seed, in whatever order, and others for another', () => {
    const [one, same, other] = [7, 7, 8].map((seed) => new EventSource({ seed }));
    const items = range(50).map((index) => one!.item(index));
    expect(
      range(50)
        .reverse()
        .map((index) => same!.item(index)),
    ).toEqual(items.toReversed());
    expect(range(50).filter((index) => other!.item(index) === items[index])).toEqual([]);
  });

  test('knows its ids again, which sort by time and never repeat', () => {
    const source = new EventSource({ eventsPerSecond: 10 });
    const ids = range(5000).map((index) => source.id(index));
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(5000);
    expect(ids.map((id) => source.indexOf(id))).toEqual(range(5000));
    expect(source.indexOf(ids[3]!.replace('-7', '-4'))).toBeUndefined();
    expect(source.indexOf('not an id')).toBeUndefined();
    expect(new EventSource({ seed: 2 }).indexOf(ids[3]!)).toBeUndefined();
  });

  test('spreads events over accounts as it is told', () => {
    for (const [spread, smallest, largest] of [
      ['even', 800, 1200],
      ['zipf', 200, 4000],
    ] as const) {
      const source = new EventSource({ accounts: 10, spread });
      const counts = new Map<string, number>();
      for (const index of range(10_000)) {
        const account = source.account(index);
        counts.set(account, (counts.get(account) ?? 0) + 1);
      }
      expect(counts.size).toBe(10);
      expect(Math.min(...counts.values())).toBeGreaterThan(smallest);
      expect(Math.max(...counts.values())).toBeLessThan(largest);
      if (spread === 'zipf') expect(counts.get(source.accounts[0]!)).toBeGreaterThan(3000);
    }
  });

  test('has lines of about 1.2 kB on average, and varied ones', () => {
    const source = new EventSource();
    const options = { timestamp_format: 'rfc3339' };
    const sizes = range(2000).map((index) =>
      Buffer.byteLength(oracleLine(source.event(index), options)),
    );
    const average = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    expect(average).toBeGreaterThan(1100);
    expect(average).toBeLessThan(1300);
    expect(Math.min(...sizes)).toBeLessThan(900);
    expect(Math.max(...sizes)).toBeGreaterThan(4000);
  });
});
