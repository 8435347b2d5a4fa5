import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Assignment, RecordLog } from '@trailpush/core';
import { until } from '@trailpush/test/kit/contracts/record-log/suite.ts';
import { spoken, type SpokenApi } from '@trailpush/test/kit/kafka/answers.ts';
import { startFaultProxy } from '@trailpush/test/kit/kafka/fault-proxy.ts';
import type { FaultProxy } from '@trailpush/test/kit/kafka/fault-proxy.ts';
import { startKafka } from '@trailpush/test/kit/kafka/index.ts';
import { KafkaTestTopic } from '@trailpush/test/kit/kafka/topic.ts';
import { startReaders, startWriters, valuesOf } from '@trailpush/test/kit/kafka/traffic.ts';

let proxy: FaultProxy | undefined;
const { kafka, reason } = await startKafka({
  disposable: true,
  advertise: async (brokerPort) => {
    proxy = await startFaultProxy(brokerPort);
    return proxy.port;
  },
});

/** Error codes by their numbers in Kafka's protocol. */
const codes = {
  unknownServerError: -1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  requestTimedOut: 7,
  replicaNotAvailable: 9,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  notEnoughReplicas: 19,
  unknownMember: 25,
  rebalanceInProgress: 27,
  storageError: 56,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
} as const;

describe.skipIf(kafka === undefined)(
  `Kafka that refuses requests${reason ? ` (${reason})` : ''}`,
  () => {
    const broker = kafka!;
    const faults = proxy!;
    let topic: KafkaTestTopic;
    let log: RecordLog;
    beforeEach(async () => {
      topic = await KafkaTestTopic.create(broker.brokers);
      log = await topic.open();
    });
    afterEach(async () => {
      faults.refusals = [];
      await log.close();
      await topic.cleanup();
    });
    afterAll(async () => {
      await broker.stop();
      await faults.stop();
    });

    /** Until so many answers of this API have had the code; `drive` brings a request about. */
    const refuse = async (
      api: SpokenApi,
      errorCode: number,
      left: number,
      drive: () => Promise<unknown> = () => Promise.resolve(),
    ): Promise<void> => {
      const refusal = { api, errorCode, left };
      faults.refusals.push(refusal);
      const isDone = async (): Promise<number> => {
        await drive();
        return refusal.left;
      };
      const message = `answers of API ${api.apiKey} with code ${errorCode}`;
      await expect.poll(isDone, { message, timeout: 20_000, interval: 20 }).toBe(0);
    };

    it('loses and repeats nothing while no broker calls itself the leader', async () => {
      const readers = startReaders(log, 3);
      const writers = startWriters(log, 20);
      await until('the writers are at work', () => writers.acknowledged.length > 100);
      for (const errorCode of [
        codes.notLeader,
        codes.leaderNotAvailable,
        codes.fencedLeaderEpoch,
      ]) {
        for (const api of [spoken.fetch, spoken.metadata, spoken.listOffsets, spoken.produce]) {
          const isLate = api === spoken.metadata || api === spoken.listOffsets;
          await refuse(api, errorCode, 3, isLate ? () => log.bounds().catch(() => 0) : undefined);
        }
        const [read, written] = [readers.count(), writers.acknowledged.length];
        await until('reading goes on', () => readers.count() > read + 50);
        await until('writing goes on', () => writers.acknowledged.length > written + 50);
      }
      await writers.stop();
      expect(writers.failures.map(String)).toEqual([]);
      await until('everything is read', () => readers.count() >= writers.acknowledged.length);
      expect(readers.records.flatMap(valuesOf).toSorted()).toEqual(writers.acknowledged.toSorted());
    });

    it.each([
      ['fetches', spoken.fetch],
      ['appends', spoken.produce],
    ])('loses and repeats nothing when %s are answered with errors', async (_, api) => {
      const readers = startReaders(log, 3);
      const writers = startWriters(log, 20);
      await until('the writers are at work', () => writers.acknowledged.length > 100);
      const both = [
        codes.unknownTopicOrPartition,
        codes.requestTimedOut,
        codes.replicaNotAvailable,
        codes.notEnoughReplicas,
        codes.storageError,
      ];
      const ofFetches = [codes.unknownServerError, codes.corruptMessage, codes.unknownLeaderEpoch];
      for (const code of api === spoken.fetch ? [...both, ...ofFetches] : both) {
        await refuse(api, code, 2);
      }
      await writers.stop();
      expect(writers.failures.map(String)).toEqual([]);
      await until('everything is read', () => readers.count() >= writers.acknowledged.length);
      expect(readers.records.flatMap(valuesOf).toSorted()).toEqual(writers.acknowledged.toSorted());
    });

    it('commits, and holds its partitions, when the coordinator moves or refuses', async () => {
      const assignments: Assignment[] = [];
      const group = 'refused';
      const membership = await log.joinGroup(group, (a) => assignments.push(a));
      const holdsAll = (): boolean => assignments.at(-1)?.partitions.length === 3;
      await until('the member holds all', holdsAll);
      let next = 1;
      const commit = async (): Promise<void> => membership.commit(new Map([[0, next]]));
      const isCommitted = async (): Promise<boolean> => {
        await commit();
        return (await topic.committed(group)).get(0) === next;
      };
      const moved = [codes.notCoordinator, codes.coordinatorNotAvailable, codes.coordinatorLoading];
      for (const code of moved) {
        for (const api of [spoken.offsetCommit, spoken.findCoordinator]) {
          next += 1;
          // It is looked for again after an answer that says that it moved.
          const isSought = api === spoken.findCoordinator;
          const move = isSought ? refuse(spoken.offsetCommit, codes.notCoordinator, 1) : undefined;
          await Promise.all([move, refuse(api, code, 1, commit)]);
          await expect.poll(isCommitted, { timeout: 15_000 }).toBe(true);
        }
      }
      for (const code of [codes.rebalanceInProgress, codes.notCoordinator]) {
        await Promise.all([
          refuse(spoken.heartbeat, codes.rebalanceInProgress, 1),
          refuse(spoken.joinGroup, code, 1),
          refuse(spoken.syncGroup, code, 1),
        ]);
      }
      next += 1;
      await expect.poll(isCommitted, { timeout: 15_000 }).toBe(true);
      expect(holdsAll()).toBe(true);
      await membership.leave();
    });

    it('gives its partitions up when the coordinator does not know it, and gets them again', async () => {
      const assignments: Assignment[] = [];
      const membership = await log.joinGroup('forgotten', (a) => assignments.push(a));
      const holdsAll = (): boolean => assignments.at(-1)?.partitions.length === 3;
      await until('the member holds all', holdsAll);
      const told = assignments.length;
      await refuse(spoken.heartbeat, codes.unknownMember, 1);
      await until('the member is told', () => assignments.length > told);
      expect(assignments[told]?.partitions).toEqual([]);
      await until('the member holds all again', holdsAll, 30_000);
      await membership.leave();
    });
  },
);
