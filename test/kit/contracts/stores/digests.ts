import type { ClaimedPartition, DigestContent, DigestOrder, Job } from '@trailpush/core';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { newClaim, newJob, newName, planOf, SECRET_KEY, specOf, type Suite } from './suite.ts';

const HOUR_MS = 3_600_000;
const PLACE = { location: 's3://bucket/logs', folder: 'logs' };

/** Keeps what it was asked to sign. */
function orderOf(said: DigestContent[], changes: Partial<DigestOrder> = {}): DigestOrder {
  return {
    ...{ nowMs: Date.now(), place: PLACE, isKept: false, maxRows: 100 },
    build: (content, signer) => {
      said.push(content);
      const body = Buffer.from(JSON.stringify(content));
      const hash = createHash('sha256').update(body).digest('hex');
      return { body, hash, signature: Buffer.from(signer.sign(body)).toString('base64') };
    },
    ...changes,
  };
}

export function digestContract(suite: Suite): void {
  const digests = () => suite.stores().digests;
  const takeDue = (nowMs: number) =>
    digests().takeDue({ nowMs, limit: 10_000, leaseMs: 60_000, firstAfterMs: () => HOUR_MS });
  /** A job with a chain. */
  const begun = async () => {
    const job = await newJob(suite);
    await takeDue(0);
    return job;
  };
  const deliver = async (claimed: ClaimedPartition, job: Job, first: number) => {
    const plan = planOf(job, first, first + 4);
    await suite.stores().progress.insertPlan(claimed, plan);
    const confirmation = { jobId: job.id, first, confirmedAtMs: 5 };
    await suite.stores().progress.confirmPlan(claimed, confirmation);
    return plan;
  };
  /** The next digest, settled as written. */
  const written = async (job: Job, changes: Partial<DigestOrder> = {}) => {
    const said: DigestContent[] = [];
    const digest = await digests().next(job.id, orderOf(said, changes));
    if (digest) await digests().settle(job.id, digest.sequence, true);
    return { digest, content: said.at(-1) };
  };
  const keysOf = (content: DigestContent | undefined) => content?.objects.map(({ key }) => key);

  describe('a chain of digests', () => {
    it('begins for every job that was ever enabled, and is due once at a time', async () => {
      const job = await newJob(suite);
      const off = await newJob(suite, { enabled: false });
      const nowMs = Date.now();
      await takeDue(nowMs);
      const due = async (atMs: number) =>
        (await takeDue(atMs)).filter(({ jobId }) => [job.id, off.id].includes(jobId));
      expect(await due(nowMs + HOUR_MS - 1)).toEqual([]);
      const taken = [{ jobId: job.id, accountId: job.accountId, tries: 0 }];
      expect(await due(nowMs + HOUR_MS)).toEqual(taken);
      expect(await due(nowMs + HOUR_MS)).toEqual([]);
      expect(await due(nowMs + HOUR_MS + 60_000)).toEqual(taken);
      await digests().schedule(job.id, nowMs + 9 * HOUR_MS, 3);
      expect(await due(nowMs + 8 * HOUR_MS)).toEqual([]);
      expect(await due(nowMs + 9 * HOUR_MS)).toEqual([{ ...taken[0], tries: 3 }]);
      await digests().schedule(job.id, null, 0);
      expect(await due(nowMs + 99 * HOUR_MS)).toEqual([]);
    });

    it('names each object of the ledger once, and links to the digest before', async () => {
      const job = await begun();
      const claimed = await newClaim(suite);
      const { topic } = claimed;
      const first = await deliver(claimed, job, 0);
      const open = planOf(job, 5, 9);
      await suite.stores().progress.insertPlan(claimed, open);
      const one = await written(job);
      expect(one.content).toMatchObject({
        ...{ accountId: job.accountId, jobId: job.id, sequence: 1, state: 'enabled' },
        ...{ fromMs: job.createdAtMs, isPart: false, places: [{ ...PLACE, since: 1 }] },
        ...{ objects: [{ key: first.key, topic, first: 0, last: 4, replayId: null }] },
        ...{ openPlans: [{ key: open.key }], gaps: [], deadLetters: [], previous: null },
      });
      const confirmation = { jobId: job.id, first: 5, confirmedAtMs: 6 };
      await suite.stores().progress.confirmPlan(claimed, confirmation);
      const two = await written(job, { nowMs: 0 });
      expect(keysOf(two.content)).toEqual([open.key]);
      expect(two.content).toMatchObject({
        ...{ sequence: 2, fromMs: one.content?.toMs, toMs: one.content?.toMs, openPlans: [] },
        previous: { hash: one.digest?.hash, signature: one.digest?.signature },
      });
      expect(two.content?.ranges).toContainEqual({
        ...{ topic, incarnation: 1, partition: 0, from: 5, to: 10 },
      });
      expect(keysOf((await written(job)).content)).toEqual([]);
    });

    it('gives the same bytes until they are settled', async () => {
      const job = await begun();
      const claimed = await newClaim(suite);
      await deliver(claimed, job, 0);
      const order = orderOf([]);
      const digest = await digests().next(job.id, order);
      await deliver(claimed, job, 5);
      expect(await digests().next(job.id, { ...order, nowMs: order.nowMs + 1 })).toEqual(digest);
      const { accountId, id } = job;
      expect(await digests().get(accountId, id, 1)).toEqual(digest);
      expect(await digests().get('somebody', id, 1)).toBeUndefined();
      await digests().settle(id, 1, true);
      expect(await digests().get(accountId, id, 1)).toBeUndefined();
      expect((await digests().next(id, order))?.sequence).toBe(2);
    });

    it('goes on in parts when there is too much for one', async () => {
      const job = await begun();
      const claimed = await newClaim(suite);
      const plans = [];
      for (let first = 0; first < 25; first += 5) plans.push(await deliver(claimed, job, first));
      const parts = [];
      for (let n = 0; n < 3; n++) parts.push((await written(job, { maxRows: 2 })).content);
      expect(parts.map((part) => part?.isPart)).toEqual([true, true, false]);
      expect(parts.flatMap((part) => keysOf(part))).toEqual(plans.map(({ key }) => key));
      const ours = (part: DigestContent | undefined) =>
        part?.ranges.filter(({ topic }) => topic === claimed.topic);
      expect(parts.map(ours)).toMatchObject([[], [], [{ to: 25 }]]);
    });

    it('tells of gaps and dead letters once, and of no other account', async () => {
      const job = await begun();
      const claimed = await newClaim(suite);
      const { topic } = claimed;
      const letter = {
        ...{ topic, partition: 0, jobId: null, reason: 'bad', message: '', timestampMs: 1 },
        ...{ key: null, value: null },
      };
      await suite.stores().progress.saveDeadLetters([
        { ...letter, offset: 1, accountId: job.accountId },
        { ...letter, offset: 2, accountId: newName('account') },
        { ...letter, offset: 3, accountId: null },
        { ...letter, offset: 4, accountId: job.accountId, jobId: job.id },
        { ...letter, offset: 5, accountId: job.accountId, jobId: job.id + 1_000_000 },
      ]);
      const gap = { topic, partition: 0, from: 7, to: 9, reason: 'lost', possiblyDelivered: true };
      await suite.stores().progress.recordGap(claimed, { ...gap, jobId: job.id, seenAtMs: 3 });
      const { content } = await written(job);
      expect(content?.gaps).toEqual([gap]);
      expect(content?.deadLetters).toEqual(
        [1, 4].map((offset) => ({ topic, partition: 0, offset, reason: 'bad' })),
      );
      expect((await written(job)).content).toMatchObject({ gaps: [], deadLetters: [] });
    });
  });

  describe('a digest of a job', () => {
    it('that moved tells since when it is at its place', async () => {
      const job = await begun();
      const there = { location: 's3://other', folder: '' };
      await written(job);
      await written(job, { place: there });
      const { content } = await written(job);
      expect(content?.places).toEqual([
        { ...PLACE, since: 1 },
        { ...there, since: 2 },
        { ...PLACE, since: 3 },
      ]);
    });

    it('that is disabled says so once, and goes on when there is something to say', async () => {
      const job = await begun();
      await written(job);
      const { accountId, id } = job;
      await suite.stores().jobs.update(accountId, id, {
        ...{ spec: specOf({ enabled: false }), expectedRevision: 1, contentChanged: false },
        start: undefined,
      });
      expect((await written(job)).content?.state).toBe('disabled');
      expect((await written(job)).digest).toBeUndefined();
      await deliver(await newClaim(suite), job, 0);
      expect((await written(job)).content?.objects).toHaveLength(1);
    });

    it('that was deleted is made while there are objects that none names', async () => {
      const job = await begun();
      const place = undefined;
      expect((await written(job)).content?.sequence).toBe(1);
      await deliver(await newClaim(suite), job, 0);
      await suite.stores().jobs.delete(job.accountId, job.id);
      const { content } = await written(job, { place });
      expect(content).toMatchObject({ state: 'deleted', ranges: [], objects: [{ first: 0 }] });
      expect((await written(job, { place })).digest).toBeUndefined();
    });

    it('is made once a day where nothing happens and it is kept, and listed then', async () => {
      const job = await begun();
      const { accountId, id } = job;
      const dayMs = 24 * HOUR_MS;
      const make = (nowMs: number) =>
        digests().next(id, orderOf([], { isKept: true, nowMs: job.createdAtMs + nowMs }));
      expect(await make(dayMs - 1)).toBeUndefined();
      const kept = await make(dayMs);
      await digests().settle(id, 1, false);
      expect(await make(2 * dayMs - 1)).toBeUndefined();
      await make(2 * dayMs);
      const list = await digests().list(accountId, id, { limit: 9 });
      expect(list.map(({ sequence }) => sequence)).toEqual([2, 1]);
      expect(await digests().list(accountId, id, { limit: 9, before: 2 })).toMatchObject([
        { sequence: 1, hash: kept?.hash, keyId: kept?.keyId },
      ]);
      expect(await digests().list(accountId, id, { limit: 1 })).toHaveLength(1);
      expect(await digests().list('somebody', id, { limit: 9 })).toEqual([]);
    });

    it('names the objects of its replays', async () => {
      const job = await begun();
      const claimed = await newClaim(suite);
      const { topic } = claimed;
      const replay = await suite.stores().replays.start(job.accountId, job.id, {
        ...{ topic, ranges: [{ partition: 0, from: 0, to: 5 }], maxRecordsPerSecond: null },
        ...{ location: 's3://b', destinationConf: undefined },
      });
      const plan = planOf(job, 0, 4, { jobId: replay!.id });
      await suite.stores().progress.insertPlan(claimed, plan);
      await suite.stores().progress.confirmPlan(claimed, {
        ...{ jobId: replay!.id, first: 0, confirmedAtMs: 1 },
      });
      await suite.stores().progress.settleReplay(replay!.id);
      const { content } = await written(job);
      expect(content?.objects).toMatchObject([{ key: plan.key, replayId: replay!.id }]);
    });
  });

  describe('keys of digests', () => {
    const signedBy = async (job: Job) => {
      const { digest } = await written(job);
      if (digest === undefined) throw new Error('there is no digest');
      const keys = await suite.stores().digestKeys.list();
      const signers = keys.filter(({ publicKey }) => {
        const signature = Buffer.from(digest.signature, 'base64');
        return verify(null, digest.body, createPublicKey(publicKey), signature);
      });
      return { keyId: digest.keyId, signers: signers.map(({ id }) => id) };
    };

    it('sign with the newest, and stay when another one is made', async () => {
      const job = await begun();
      const before = await signedBy(job);
      expect(before.signers).toEqual([before.keyId]);
      const rotated = await suite.stores().digestKeys.rotate();
      const [newest, older] = await suite.stores().digestKeys.list();
      expect(newest).toEqual(rotated);
      expect(older).toMatchObject({ id: before.keyId, retiredAtMs: expect.any(Number) as number });
      const after = await signedBy(job);
      expect(after).toEqual({ keyId: rotated.id, signers: [rotated.id] });
    });

    it('are one, however many processes ask first', async () => {
      const place = await suite.harness.create();
      const { systemClock: clock } = await import('@trailpush/runtime');
      const stores = await place.open({ secretKey: SECRET_KEY, clock });
      const asked = await Promise.all(Array.from({ length: 8 }, () => stores.digestKeys.list()));
      expect(new Set(asked.flat().map(({ id }) => id)).size).toBe(1);
      expect((await place.contents()).includes('PRIVATE KEY')).toBe(false);
      await stores.close();
      await place.remove();
    });
  });
}
