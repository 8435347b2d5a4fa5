import { describe, expect, it } from 'vitest';
import type { Assignment, RecordLog } from '@trailpush/core';
import { until } from './suite.ts';
import type { Suite } from './suite.ts';

/** Joins and keeps every assignment that it is told. */
async function joinRecorded(log: RecordLog, groupId: string) {
  const assignments: Assignment[] = [];
  const membership = await log.joinGroup(groupId, (assignment) => assignments.push(assignment));
  return {
    membership,
    assignments,
    held: (): readonly number[] => assignments.at(-1)?.partitions.toSorted((a, b) => a - b) ?? [],
  };
}

async function partitionsOf(log: RecordLog): Promise<number[]> {
  return (await log.bounds()).map(({ partition }) => partition);
}

export function groupContract(suite: Suite): void {
  describe('a consumer group', () => {
    it('gives a lone member every partition', async () => {
      const log = await suite.open();
      const all = await partitionsOf(log);
      const member = await joinRecorded(log, 'alone');
      await until('the member holds every partition', () => member.held().length === all.length);
      expect(member.held()).toEqual(all);
      await member.membership.leave();
    });

    it('gives every partition again to a member that comes after one that left', async () => {
      const log = await suite.open();
      const all = await partitionsOf(log);
      for (let round = 0; round < 2; round += 1) {
        const member = await joinRecorded(log, 'again');
        await until('the member holds every partition', () => member.held().length === all.length);
        await member.membership.leave();
      }
    });

    it('does not share partitions between groups', async () => {
      const log = await suite.open();
      const all = await partitionsOf(log);
      const one = await joinRecorded(log, 'one');
      const other = await joinRecorded(log, 'other');
      await until('both hold every partition', () =>
        [one, other].every((member) => member.held().length === all.length),
      );
      await Promise.all([one.membership.leave(), other.membership.leave()]);
    });

    it('stores commits of the partitions that the member holds', async () => {
      const log = await suite.open();
      const all = await partitionsOf(log);
      const member = await joinRecorded(log, 'committing');
      await until('the member holds every partition', () => member.held().length === all.length);
      await member.membership.commit(new Map([[0, 5]]));
      await member.membership.commit(
        new Map([
          [0, 7],
          [1, 3],
          [all.length + 5, 1],
        ]),
      );
      await member.membership.leave();
      await log.close();
      const committed = await suite.topic().committed('committing');
      expect([committed.get(0), committed.get(1)]).toEqual([7, 3]);
      expect(committed.has(all.length + 5)).toBe(false);
    });
  });
}

export function severalMembersContract(suite: Suite): void {
  describe('a group of two', () => {
    it('splits the partitions, tells of every join with a larger generation, and hands over', async () => {
      const first = await suite.open();
      const second = suite.harness.severalHandles ? await suite.open() : first;
      const all = await partitionsOf(first);
      const staying = await joinRecorded(first, 'pair');
      await until('the first holds all', () => staying.held().length === all.length);
      const leaving = await joinRecorded(second, 'pair');
      const split = (): boolean =>
        leaving.held().length > 0 &&
        [...staying.held(), ...leaving.held()].toSorted((a, b) => a - b).join() === all.join();
      await until('two members share the partitions', split, 60_000);
      expect(staying.held().length).toBeGreaterThan(0);

      await leaving.membership.leave();
      await until('the first holds all again', () => staying.held().length === all.length, 60_000);
      const generations = staying.assignments.map(({ generation }) => generation);
      expect(generations.length).toBeGreaterThanOrEqual(3);
      expect(generations).toEqual([...new Set(generations)].toSorted((a, b) => a - b));
      await staying.membership.leave();
    });
  });
}
