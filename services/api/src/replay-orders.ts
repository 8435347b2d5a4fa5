import {
  Secret,
  type Clock,
  type Dataset,
  type EventsOf,
  type Job,
  type JobStore,
  type PartitionBounds,
  type RecordLog,
  type Replay,
  type ReplayRange,
  type ReplayStore,
} from '@trailpush/core';
import { offsetAt } from '@trailpush/log';

import { ApiError, CODE, invalidProperty } from './envelope.ts';
import type { DestinationConfs } from './job-changes.ts';
import { countReplay, type ReplayCount } from './replay-count.ts';
import type { OutboxRelay } from './outbox-relay.ts';
import type { Ownership } from './ownership.ts';
import type { OffsetRange, ReplayRequest } from './replay-shape.ts';

export interface ReplayOrderDeps {
  readonly jobs: Pick<JobStore, 'get'>;
  readonly replays: ReplayStore;
  readonly log: Pick<RecordLog, 'topic' | 'bounds' | 'openReader'>;
  readonly datasets: ReadonlyMap<string, Dataset>;
  readonly destinations: Pick<DestinationConfs, 'parse' | 'restore'>;
  readonly ownership: Pick<Ownership, 'isDemanded'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Told when there is an audit event to send. */
  readonly relay: Pick<OutboxRelay, 'wake'>;
}

/** Each one is another reader of old parts of the log. */
const MAX_RUNNING_REPLAYS = 4;
export const MAX_LISTED_REPLAYS = 100;

/** Ranges, and what must be said about them. */
interface Resolved {
  readonly ranges: readonly ReplayRange[];
  readonly notices: readonly string[];
}

/** Turns what is asked for into offsets, checks it, and starts or counts it. */
export class ReplayOrders {
  readonly #deps: ReplayOrderDeps;
  #isCounting = false;

  constructor(deps: ReplayOrderDeps) {
    this.#deps = deps;
  }

  /** @throws ApiError, InvalidDestinationError, LogUnavailableError, StoreUnavailableError */
  async start(
    job: Job,
    request: ReplayRequest,
    events: EventsOf<Replay>,
  ): Promise<{ replay: Replay | undefined; notices: readonly string[] }> {
    const { replays, log } = this.#deps;
    const conf = this.#confOf(job, request);
    const { location } = this.#deps.destinations.parse(conf);
    const known = await replays.list(job.accountId, job.id, MAX_LISTED_REPLAYS);
    if (known.filter(({ state }) => state === 'running').length >= MAX_RUNNING_REPLAYS) {
      const message = `${MAX_RUNNING_REPLAYS} replays of this job are running, which is all that it may have: wait for one or cancel one`;
      throw new ApiError(403, [{ code: CODE.notAllowed, message }]);
    }
    const { ranges, notices } = await this.#resolve(request);
    const { maxRecordsPerSecond } = request;
    const order = {
      topic: log.topic,
      ranges,
      maxRecordsPerSecond,
      destinationConf: request.destinationConf === undefined ? undefined : new Secret(conf),
      location,
    };
    const replay = await replays.start(job.accountId, job.id, order, events);
    this.#deps.relay.wake();
    return { replay, notices };
  }

  /** What `start` would deliver. One at a time, since it reads and decodes as fast as it can. */
  async count(
    job: Job,
    request: ReplayRequest,
  ): Promise<{ count: ReplayCount; notices: readonly string[] }> {
    const { log, clock, datasets, destinations } = this.#deps;
    destinations.parse(this.#confOf(job, request));
    const dataset = datasets.get(job.spec.dataset);
    if (!dataset) throw new Error(`there is no dataset ${job.spec.dataset}`);
    if (this.#isCounting) {
      const message = 'another dry run is being counted: try again in a few seconds';
      throw new ApiError(503, [{ code: CODE.unavailable, message }]);
    }
    this.#isCounting = true;
    try {
      const { ranges, notices } = await this.#resolve(request);
      const of = { accountId: job.accountId, dataset, filter: job.spec.filter };
      return { count: await countReplay(of, ranges, { log, clock }), notices };
    } finally {
      this.#isCounting = false;
    }
  }

  #confOf({ spec }: Job, { destinationConf }: ReplayRequest): string {
    const own = spec.destinationConf.reveal();
    if (destinationConf === undefined) return own;
    const conf = this.#deps.destinations.restore(destinationConf, own);
    if (conf !== own && this.#deps.ownership.isDemanded(conf)) {
      throw invalidProperty(
        'destination_conf',
        'destination_conf needs a proof of ownership, which only a job can give: create a job for it, and replay that job',
      );
    }
    return conf;
  }

  async #resolve({ offsets, sinceMs = 0, beforeMs }: ReplayRequest): Promise<Resolved> {
    const { log } = this.#deps;
    const bounds = await log.bounds();
    if (offsets) return { ranges: offsets.map((range) => checked(range, bounds)), notices: [] };
    const notices: string[] = [];
    const ranges = await Promise.all(
      bounds.map(async (of) => {
        const { partition, start, end } = of;
        const from = await offsetAt(log, of, sinceMs);
        const to = beforeMs === undefined ? end : await offsetAt(log, of, beforeMs);
        if (from === start && start > 0) {
          notices.push(
            `partition ${partition} of the log begins at offset ${start}: what retention has removed before cannot be delivered again`,
          );
        }
        return { partition, from, to };
      }),
    );
    return { ranges: ranges.filter(({ from, to }) => from < to), notices };
  }
}

function checked(
  { partition, first, last }: OffsetRange,
  bounds: readonly PartitionBounds[],
): ReplayRange {
  const found = bounds.find((of) => of.partition === partition);
  if (!found) throw invalidProperty('offsets', `the log has no partition ${partition}`);
  const { start, end } = found;
  if (first < start || last >= end) {
    const holds = start === end ? 'nothing' : `offsets ${start} to ${end - 1}`;
    throw invalidProperty(
      'offsets',
      `offsets ${first} to ${last} of partition ${partition} are not all in the log, which holds ${holds}`,
    );
  }
  return { partition, from: first, to: last + 1 };
}
