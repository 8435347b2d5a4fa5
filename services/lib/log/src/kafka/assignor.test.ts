import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assignPartitions,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './assignor.ts';
import type { Claim } from './assignor.ts';

const claimsArbitrary = fc.uniqueArray(
  fc.record({
    memberId: fc.string({ minLength: 1 }),
    generation: fc.integer({ min: -1, max: 3 }),
    partitions: fc.uniqueArray(fc.nat(30)),
  }),
  { minLength: 1, maxLength: 8, selector: ({ memberId }) => memberId },
);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('the assignment of partitions', () => {
  it('gives each partition to one member and nobody two more than another', () => {
    fc.assert(
      fc.property(fc.nat(25), claimsArbitrary, (count, claims) => {
        const assigned = assignPartitions(upTo(count), claims);
        expect([...assigned.keys()].toSorted()).toEqual(claims.map((c) => c.memberId).toSorted());
        expect([...assigned.values()].flat().toSorted((a, b) => a - b)).toEqual(upTo(count));
        const sizes = [...assigned.values()].map((own) => own.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('changes nothing in a group that did not change', () => {
    fc.assert(
      fc.property(fc.nat(25), claimsArbitrary, (count, claims) => {
        const assigned = assignPartitions(upTo(count), claims);
        const again = [...assigned].map(([memberId, partitions]) => ({
          memberId,
          partitions,
          generation: 4,
        }));
        const settled = assignPartitions(upTo(count), again);
        for (const [memberId, own] of assigned) {
          expect(settled.get(memberId)?.toSorted()).toEqual(own.toSorted());
        }
      }),
    );
  });

  it('takes from each member only what a new one needs', () => {
    const claims: Claim[] = [
      { memberId: 'a', generation: 1, partitions: [0, 1, 2, 3] },
      { memberId: 'b', generation: 1, partitions: [4, 5, 6, 7] },
      { memberId: 'new', generation: -1, partitions: [] },
    ];
    const assigned = assignPartitions(upTo(8), claims);
    expect(assigned.get('a')).toEqual([0, 1, 2]);
    expect(assigned.get('b')).toEqual([4, 5, 6]);
    expect(assigned.get('new')).toEqual([3, 7]);
  });

  it('believes the newest of two claims', () => {
    const claims: Claim[] = [
      { memberId: 'stale', generation: 1, partitions: [0, 1] },
      { memberId: 'current', generation: 2, partitions: [0, 1] },
    ];
    expect(assignPartitions(upTo(2), claims).get('current')).toEqual([0]);
    expect(assignPartitions(upTo(4), claims).get('current')).toEqual([0, 1]);
  });

  it('passes through the protocol of Kafka', () => {
    const claim = { memberId: 'm', generation: 7, partitions: [3, 1] };
    expect(decodeSubscription('m', encodeSubscription('t', claim))).toEqual(claim);
    expect(decodeAssignment('t', encodeAssignment('t', [9, 2]))).toEqual([2, 9]);
    expect(decodeAssignment('t', Buffer.alloc(0))).toEqual([]);
  });
});
