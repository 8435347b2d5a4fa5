import { describe, expect, it } from 'vitest';

import { backoffMs } from './retry.ts';

const almostOne = () => 1 - Number.EPSILON;

describe('backoffMs', () => {
  it('doubles its bound with every attempt, up to the cap', () => {
    const bounds = [1, 2, 3, 4, 5, 1_000_000].map((attempt) =>
      backoffMs(attempt, { baseMs: 100, capMs: 1_000, random: almostOne }),
    );
    expect(bounds).toEqual([99, 199, 399, 799, 999, 999]);
  });

  it('spreads waits over the whole range from 0', () => {
    const options = { baseMs: 100, capMs: 60_000 };
    expect(backoffMs(3, { ...options, random: () => 0 })).toBe(0);
    expect(backoffMs(3, { ...options, random: () => 0.5 })).toBe(200);
  });
});
