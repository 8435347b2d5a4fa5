import { messageOf, OffsetOutOfRangeError } from '@trailpush/core';
import type { Clock } from '@trailpush/core';
import type { Connection } from './broker-connection.ts';
import type { Connections } from './connections.ts';
import { backoffMs, sleepUnlessClosed } from './health.ts';
import type { KafkaHealth } from './health.ts';
import { listBounds } from './offsets.ts';
import type { KafkaReader } from './reader.ts';
import { decodeRecordSet } from './record-batch.ts';
import { describeErrorCode, ErrorCode, fetchRequest } from './requests.ts';
import type { FetchedPartition } from './requests.ts';
import type { TopicView } from './topic-view.ts';
import { Wake } from './wake.ts';

/** How long a broker may hold the answer back while there is nothing to read. */
const longPollMs = 250;
/** Pause between fetches that may not be held back and found nothing. */
const shortPollMs = 20;
const idlePollMs = 100;
/** An upper bound of one answer, unless its first batch alone is larger. */
const maxAnswerBytes = 8 * 1024 * 1024;
/** Asked this often in a row before a position beyond the end is believed: a new leader may lag. */
const beyondEndAnswers = 3;

export interface FetchLoopOptions {
  readonly nodeId: number;
  readonly topic: TopicView;
  readonly connections: Connections;
  readonly health: KafkaHealth;
  readonly clock: Clock;
  readonly closing: AbortSignal;
  /** The open readers of the partitions that this node leads now. */
  readonly readers: () => readonly KafkaReader[];
  /** What one partition may add to an answer. */
  readonly maxPartitionBytes: () => number;
}

/**
 * Fetches from one broker for all its readers. Their wants are combined into one request, which the
 * broker answers as soon as any partition has something. It answers the requests of a connection one
 * after the other, so that a request may only be held back while no busy reader is outside of it.
 */
export class FetchLoop {
  readonly wake: Wake;
  readonly #options: FetchLoopOptions;
  readonly #where: string;
  #failures = 0;

  constructor(options: FetchLoopOptions) {
    this.#options = options;
    this.#where = `broker ${options.nodeId}`;
    this.wake = new Wake(options.clock);
  }

  /** Runs until the log is closed. */
  async run(): Promise<void> {
    while (!this.#options.closing.aborted) {
      const readers = this.#options.readers();
      const due = readers.filter((reader) => reader.fetchInMs === 0);
      if (due.length === 0) {
        if (readers.length === 0) this.#options.health.worked(this.#where);
        await this.wake.wait(Math.min(60_000, ...readers.map((reader) => reader.fetchInMs)));
        continue;
      }
      await this.#round(readers, due);
    }
  }

  async #round(readers: readonly KafkaReader[], due: readonly KafkaReader[]): Promise<void> {
    const { nodeId, connections } = this.#options;
    const groups = groupByPartition(due);
    const busyOutside = readers.some((reader) => reader.busy && !due.includes(reader));
    const maxWaitMs = groups.length === 1 && !busyOutside ? longPollMs : 0;
    let moved: boolean[];
    try {
      const connection = await connections.toNode(nodeId, 'fetch');
      moved = await Promise.all(groups.map((group) => this.#fetch(connection, group, maxWaitMs)));
    } catch (error) {
      await this.#pauseAfter(error);
      return;
    }
    this.#failures = 0;
    this.#options.health.worked(this.#where);
    if (maxWaitMs === 0 && !moved.includes(true)) {
      await this.wake.wait(readers.some((reader) => reader.busy) ? shortPollMs : idlePollMs);
    }
  }

  async #pauseAfter(error: unknown): Promise<void> {
    const { topic, health, clock, closing } = this.#options;
    if (closing.aborted) return;
    this.#failures += 1;
    health.failed(this.#where, messageOf(error));
    topic.requestRefresh();
    await sleepUnlessClosed(clock, backoffMs(this.#failures), closing).catch(() => undefined);
  }

  /** One request, each partition at most once in it. Tells whether any reader got further. */
  async #fetch(
    connection: Connection,
    readers: ReadonlyMap<number, KafkaReader>,
    maxWaitMs: number,
  ): Promise<boolean> {
    const maxBytes = this.#options.maxPartitionBytes();
    const asked = new Map<number, number>();
    for (const { partition, position } of readers.values()) asked.set(partition, position);
    const answer = await connection.send(
      fetchRequest({
        topic: this.#options.topic.topic,
        maxWaitMs,
        maxBytes: Math.min(maxAnswerBytes, maxBytes * readers.size),
        partitions: [...asked].map(([partition, offset]) => ({ partition, offset, maxBytes })),
      }),
    );
    if (answer.errorCode !== ErrorCode.none) throw new Error(describeErrorCode(answer.errorCode));
    let moved = false;
    for (const fetched of answer.partitions) {
      const reader = readers.get(fetched.partition);
      const position = asked.get(fetched.partition);
      if (reader === undefined || position === undefined) continue;
      await this.#take(reader, position, fetched);
      moved ||= reader.position !== position;
    }
    return moved;
  }

  async #take(reader: KafkaReader, position: number, fetched: FetchedPartition): Promise<void> {
    const { partition, errorCode } = fetched;
    const { topic, health } = this.#options;
    const where = `partition ${partition}`;
    if (errorCode === ErrorCode.offsetOutOfRange) {
      await this.#judgeRange(reader, position);
      return;
    }
    if (errorCode !== ErrorCode.none) {
      reader.failed(position);
      health.failed(
        where,
        `${where} of topic ${topic.topic} cannot be read: ${describeErrorCode(errorCode)}`,
      );
      topic.requestRefresh();
      return;
    }
    try {
      const decoded = await decodeRecordSet(ownBytes(fetched.recordSet), position, fetched.aborted);
      // The broker looks at its high watermark before it reads.
      const end = Math.max(fetched.highWatermark, decoded.nextOffset);
      reader.fetched(position, { partition, start: fetched.logStart, end, ...decoded });
      health.worked(where);
    } catch (error) {
      reader.failed(position);
      const place = `offset ${position} of ${where} of topic ${topic.topic}`;
      health.failed(where, `the records at ${place} cannot be decoded: ${messageOf(error)}`);
    }
  }

  /** Brokers also answer "out of range" for a moment around elections: only the bounds decide. */
  async #judgeRange(reader: KafkaReader, position: number): Promise<void> {
    const { connections, topic, health } = this.#options;
    const { partition } = reader;
    try {
      const [bounds] = await listBounds(connections, topic, [partition]);
      if (bounds === undefined) return;
      const beyondEnd = position > bounds.end && reader.failures + 1 >= beyondEndAnswers;
      if (position < bounds.start || beyondEnd) {
        reader.rejected(position, new OffsetOutOfRangeError({ ...bounds, offset: position }));
        return;
      }
    } catch (error) {
      health.failed(`partition ${partition}`, messageOf(error));
    }
    reader.failed(position);
    topic.requestRefresh();
  }
}

/** Readers of one partition at different offsets cannot share a request. */
function groupByPartition(due: readonly KafkaReader[]): Map<number, KafkaReader>[] {
  const groups: Map<number, KafkaReader>[] = [];
  // The broker fills the answer in the order of the request: who waits longest comes first.
  for (const reader of due.toSorted((a, b) => a.activeMs - b.activeMs)) {
    let group = groups.find((candidate) => !candidate.has(reader.partition));
    if (group === undefined) {
      group = new Map();
      groups.push(group);
    }
    group.set(reader.partition, reader);
  }
  return groups;
}

/** A reader that is not read for long must not keep the bytes of all partitions of the answer alive. */
function ownBytes(recordSet: Buffer): Buffer {
  const shared = recordSet.buffer.byteLength > 2 * recordSet.length;
  return shared ? Buffer.from(recordSet) : recordSet;
}
