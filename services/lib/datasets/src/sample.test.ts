import { EXAMPLE_EVENT } from '@trailpush/test/kit/audit-event-example.ts';
import { describe, expect, test } from 'vitest';
import { encodeEvent } from './event-codec.ts';
import { datasets } from './registry.ts';
import { WriterSchemas } from './writer-schemas.ts';

const reader = datasets(new WriterSchemas({})).get('audit_logs_v2')!.openReader();

function sampleOf(ids: readonly string[], rate: number): string[] {
  const sample = reader.compileSample(rate);
  return ids.filter((id) => {
    reader.load(encodeEvent({ ...EXAMPLE_EVENT, id }), Buffer.from('acc-1'));
    return sample();
  });
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const HEX = '0123456789abcdef';
/** Ids as producers make them: a common beginning, and few characters that differ. */
const COUNTED = range(5000).map((index) => `evt-2026-${index}`);
const UUIDS = range(5000).map(
  (index) =>
    `018d3b7e-7${index.toString(16).padStart(3, '0')}-8000-8000-00000000000${HEX[index % 16]}`,
);

describe('a sample', () => {
  test.each([0.9, 0.5, 0.1, 0.02])('of %f holds about that share of any ids', (rate) => {
    for (const ids of [COUNTED, UUIDS]) {
      const share = sampleOf(ids, rate).length / ids.length;
      // Five standard deviations.
      expect(Math.abs(share - rate)).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / ids.length));
    }
  });

  test('is part of every larger one', () => {
    const larger = new Set(sampleOf(COUNTED, 0.3));
    expect(sampleOf(COUNTED, 0.1).filter((id) => !larger.has(id))).toEqual([]);
  });

  test('never changes, or plans that are read again would have other lines', () => {
    expect(sampleOf(COUNTED.slice(0, 40), 0.1)).toEqual(GOLDEN);
    expect(sampleOf(ODD, 0.5)).toEqual(GOLDEN_ODD);
  });

  test('of next to nothing lets next to nothing through', () => {
    expect(sampleOf(COUNTED, 1e-12)).toEqual([]);
  });
});

/** Computed by an implementation of its own. */
const GOLDEN = [4, 5, 11, 26, 38].map((index) => `evt-2026-${index}`);
const ODD = ['ünïcode-😀', 'é', '中', 'ß', '😀', '', 'a'];
const GOLDEN_ODD = ['😀', 'a'];
