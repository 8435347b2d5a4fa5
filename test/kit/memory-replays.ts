import type { EventsOf, NewReplay, Replay, ReplayStore } from '@trailpush/core';
import type { MemoryStores } from './memory-stores.ts';
import type { StoreFaults } from './store-faults.ts';

/** What is kept of a replay; while it runs, its job and its cursors say the rest. */
type StoredReplay = Omit<Replay, 'errorMessage'>;

/** Replays of one process, strictly after the doc comments of `ReplayStore`. */
export class MemoryReplays implements ReplayStore {
  readonly #stores: MemoryStores;
  readonly #faults: StoreFaults;

  constructor(stores: MemoryStores, faults: StoreFaults) {
    this.#stores = stores;
    this.#faults = faults;
  }

  start(
    accountId: string,
    jobId: number,
    order: NewReplay,
    events?: EventsOf<Replay>,
  ): Promise<Replay | undefined> {
    return this.#faults.pass('startReplay', () => {
      const { outbox } = this.#stores;
      if (events) outbox.add([]);
      const replay = startReplay(this.#stores, accountId, jobId, order);
      if (events && replay) outbox.add(events(replay));
      return replay;
    });
  }

  list(accountId: string, jobId: number, limit: number): Promise<readonly Replay[]> {
    return this.#faults.pass('listReplays', () =>
      [...this.#stores.replays.values()]
        .filter((replay) => replay.accountId === accountId && replay.jobId === jobId)
        .toSorted((a, b) => b.id - a.id)
        .slice(0, limit)
        .map((replay) => show(this.#stores, replay)),
    );
  }

  get(accountId: string, jobId: number, id: number): Promise<Replay | undefined> {
    return this.#faults.pass('getReplay', () => this.#find(accountId, jobId, id));
  }

  cancel(
    accountId: string,
    jobId: number,
    id: number,
    events?: EventsOf<Replay>,
  ): Promise<Replay | undefined> {
    return this.#faults.pass('cancelReplay', () => {
      const known = this.#find(accountId, jobId, id);
      if (known?.state !== 'running') return known;
      if (events) this.#stores.outbox.add([]);
      endReplay(this.#stores, id, 'cancelled');
      const cancelled = this.#find(accountId, jobId, id);
      if (events && cancelled) this.#stores.outbox.add(events(cancelled));
      return cancelled;
    });
  }

  #find(accountId: string, jobId: number, id: number): Replay | undefined {
    const replay = this.#stores.replays.get(id);
    const isIts = replay?.accountId === accountId && replay.jobId === jobId;
    return replay && isIts ? show(this.#stores, replay) : undefined;
  }
}

export function startReplay(
  stores: MemoryStores,
  accountId: string,
  jobId: number,
  order: NewReplay,
): Replay | undefined {
  const job = stores.jobs.get(jobId)?.job;
  if (job?.accountId !== accountId || job.replay) return undefined;
  const { topic, ranges, maxRecordsPerSecond, location } = order;
  const destinationConf = order.destinationConf ?? job.spec.destinationConf;
  const spec = { ...job.spec, enabled: true, destinationConf };
  const offsets = new Map(ranges.map(({ partition, from }) => [partition, from]));
  const replay = { ofJobId: jobId, topic, ranges, maxRecordsPerSecond };
  const { id } = stores.create(accountId, spec, { topic, offsets }, { replay });
  stores.replays.set(id, {
    ...{ id, jobId, accountId, state: 'running', topic, location, maxRecordsPerSecond },
    ranges: ranges.map((range) => ({ ...range, cursor: range.from })),
    ...{ records: 0, objects: 0, payloadBytes: 0 },
    ...{ createdAtMs: stores.clock.now(), endedAtMs: null },
  });
  settleReplay(stores, id);
  return show(stores, stores.replays.get(id)!);
}

/** As `ProgressStore.settleReplay`. */
export function settleReplay(stores: MemoryStores, id: number): boolean {
  const replay = stores.replays.get(id);
  if (replay?.state !== 'running') return false;
  const { ranges } = show(stores, replay);
  if (ranges.some(({ cursor, to }) => cursor < to)) return false;
  endReplay(stores, id, 'completed');
  return true;
}

export function endReplay(
  stores: MemoryStores,
  id: number,
  state: 'completed' | 'cancelled',
): void {
  const replay = stores.replays.get(id);
  if (replay?.state !== 'running') return;
  stores.replays.set(id, { ...show(stores, replay), state, endedAtMs: stores.clock.now() });
  stores.delete(id);
}

function show(stores: MemoryStores, replay: StoredReplay): Replay {
  if (replay.state !== 'running') return { ...replay, errorMessage: null };
  const ledger = stores.ledger.filter(({ jobId }) => jobId === replay.id);
  const ranges = replay.ranges.map((range) => {
    const row = stores.partition(replay.topic, range.partition)?.cursors.get(replay.id);
    return { ...range, cursor: Math.min(row?.cursor ?? range.cursor, range.to) };
  });
  return {
    ...replay,
    ranges,
    objects: ledger.length,
    records: ledger.reduce((sum, { records }) => sum + records, 0),
    payloadBytes: ledger.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0),
    errorMessage: stores.jobs.get(replay.id)?.job.status.errorMessage ?? null,
  };
}
