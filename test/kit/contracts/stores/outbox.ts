import { randomUUID } from 'node:crypto';

import { ChallengeSpentError, type ChangeTrail, type Outbox } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { beforeEach, describe, expect, it } from 'vitest';

import { FakeClock } from '../../fake-clock.ts';
import { newName, SECRET_KEY, specOf, type Suite } from './suite.ts';

const LEASE_MS = 60_000;
const trailOf = (line: string): ChangeTrail => ({ describe: () => line });
/** Which revisions a change went from and to. */
const revisions: ChangeTrail = {
  describe: ({ before, after }) => `${before?.revision ?? 'none'} to ${after?.revision ?? 'none'}`,
};

export function outboxContract(suite: Suite): void {
  const jobs = () => suite.stores().jobs;
  const outbox = () => suite.stores().outbox;
  const create = (trail: ChangeTrail) =>
    jobs().create(newName('account'), specOf(), undefined, trail);
  const update = (
    job: { accountId: string; id: number; revision: number },
    trail: ChangeTrail | undefined,
  ) =>
    jobs().update(job.accountId, job.id, {
      spec: specOf({ name: newName('name') }),
      expectedRevision: job.revision,
      contentChanged: false,
      start: undefined,
      trail,
    });
  const lines = (entries: readonly { line: string }[]) => entries.map(({ line }) => line);
  beforeEach(async () => {
    for (const line of await drain(outbox())) expect(line).toBeTypeOf('string');
  });

  describe('the outbox', () => {
    it('gets one entry a change, from the job as it was and as it is', async () => {
      const job = await create(revisions);
      const second = await update(job, revisions);
      await update(second!, undefined);
      await jobs().delete(job.accountId, job.id, revisions);
      await jobs().delete(job.accountId, job.id, revisions);
      expect(await drain(outbox())).toEqual(['none to 1', '1 to 2', '3 to none']);
    });

    it('gets no entry of a change that was not made', async () => {
      const job = await create(trailOf('created'));
      await expect(update({ ...job, revision: 7 }, trailOf('conflict'))).rejects.toThrow();
      expect(await jobs().update('nobody', job.id, changeOf(job, 'no job'))).toBeUndefined();
      expect(await drain(outbox())).toEqual(['created']);
    });

    it('keeps a change back that cannot be described', async () => {
      const account = newName('account');
      const fails: ChangeTrail = {
        describe: () => {
          throw new Error('no words');
        },
      };
      const created = jobs().create(account, specOf(), undefined, fails);
      await expect(created).rejects.toThrow('no words');
      expect(await jobs().list(account)).toEqual([]);
      expect(await outbox().count()).toBe(0);
    });

    it('gives the oldest first, to one caller until its lease is over', async () => {
      const clock = new FakeClock();
      const other = await suite.place().open({ secretKey: SECRET_KEY, clock });
      const account = newName('account');
      for (const line of ['one', 'two \u2028 "é"', 'three']) {
        await jobs().create(account, specOf(), undefined, trailOf(line));
      }
      const taken = await other.outbox.take(2, LEASE_MS);
      expect(lines(taken)).toEqual(['one', 'two \u2028 "é"']);
      expect(await other.outbox.take(2, LEASE_MS)).toEqual([]);
      await clock.advance(LEASE_MS - 1);
      expect(await other.outbox.take(3, LEASE_MS)).toEqual([]);
      await clock.advance(1);
      expect(await other.outbox.take(2, LEASE_MS)).toEqual(taken);
      await other.outbox.remove(taken.map(({ id }) => id));
      expect(await outbox().count()).toBe(1);
      expect(lines(await other.outbox.take(2, LEASE_MS))).toEqual(['three']);
      await other.close();
    });

    it('gives again at once what was released', async () => {
      await create(trailOf('again'));
      const taken = await outbox().take(10, LEASE_MS);
      await outbox().release(taken.map(({ id }) => id));
      expect(await outbox().take(10, LEASE_MS)).toEqual(taken);
      await outbox().release([]);
      await outbox().remove([]);
      expect(await outbox().take(10, LEASE_MS)).toEqual([]);
      await outbox().remove(taken.map(({ id }) => id));
    });

    it('gives each entry to one of several callers', async () => {
      const account = newName('account');
      for (let count = 0; count < 5; count += 1) {
        await jobs().create(account, specOf(), undefined, trailOf(String(count)));
      }
      const other = await suite.place().open({ secretKey: SECRET_KEY, clock: systemClock });
      const callers = [outbox(), other.outbox, outbox(), other.outbox];
      const taken = await Promise.all(callers.map((each) => each.take(10, LEASE_MS)));
      expect(taken.flatMap(lines)).toEqual(['0', '1', '2', '3', '4']);
      await outbox().remove(taken.flat().map(({ id }) => id));
      await other.close();
    });
  });

  describe('a proof of ownership', () => {
    const spending = (id: string, expiresAtMs = Date.now() + LEASE_MS): ChangeTrail => ({
      describe: () => 'spent',
      challenge: { id, expiresAtMs },
    });

    it('is used up by one change', async () => {
      const id = randomUUID();
      const job = await create(spending(id));
      await expect(create(spending(id))).rejects.toThrow(ChallengeSpentError);
      await expect(update(job, spending(id))).rejects.toThrow(ChallengeSpentError);
      expect((await jobs().get(job.accountId, job.id))?.revision).toBe(1);
      await update(job, spending(randomUUID()));
      expect(await drain(outbox())).toEqual(['spent', 'spent']);
    });

    it('is used up by one of two changes at the same time', async () => {
      const id = randomUUID();
      const both = await Promise.allSettled([create(spending(id)), create(spending(id))]);
      expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    });

    it('is still there for another try after a change that failed', async () => {
      const id = randomUUID();
      const job = await create(trailOf('created'));
      await expect(update({ ...job, revision: 7 }, spending(id))).rejects.toThrow();
      expect((await update(job, spending(id)))?.revision).toBe(2);
    });
  });
}

function changeOf(job: { revision: number }, line: string) {
  return {
    spec: specOf(),
    expectedRevision: job.revision,
    contentChanged: false,
    start: undefined,
    trail: trailOf(line),
  };
}

async function drain(outbox: Outbox): Promise<string[]> {
  const entries = await outbox.take(1000, LEASE_MS);
  await outbox.remove(entries.map(({ id }) => id));
  return entries.map(({ line }) => line);
}
