import type {
  Assignment,
  Clock,
  GroupMembership,
  PartitionBounds,
  PartitionReader,
  ReadResult,
  RecordLog,
} from '@trailpush/core';
import type { SeededRandom } from '../kit/random.ts';
import type { MemoryLog, MemoryTopic } from '../kit/memory-log.ts';
import type { Boundary } from './boundary.ts';

const MAX_LATENCY_MS = 3;

/** A process's handle on the log, beyond its border and some time away. */
export class BoundedLog implements RecordLog {
  readonly topic: string;
  readonly handle: MemoryLog;
  readonly #boundary: Boundary;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  /** Told while the process was frozen. */
  readonly #unheard: (() => void)[] = [];

  constructor(options: {
    topic: MemoryTopic;
    boundary: Boundary;
    clock: Clock;
    random: SeededRandom;
  }) {
    this.topic = options.topic.topic;
    this.handle = options.topic.open();
    this.#boundary = options.boundary;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  bounds(): Promise<readonly PartitionBounds[]> {
    return this.#call(() => this.handle.bounds());
  }

  openReader(partition: number, offset: number): PartitionReader {
    const reader = this.handle.openReader(partition, offset);
    return {
      partition,
      read: (): Promise<ReadResult> => this.#call(() => reader.read()),
      close: () => reader.close(),
    };
  }

  joinGroup(
    groupId: string,
    onAssignment: (assignment: Assignment) => void,
  ): Promise<GroupMembership> {
    const hear = (assignment: Assignment): void => {
      if (this.#boundary.isFrozen) this.#unheard.push(() => onAssignment(assignment));
      else if (this.#boundary.isAlive) onAssignment(assignment);
    };
    return this.#call(async () => {
      const membership = await this.handle.joinGroup(groupId, hear);
      return {
        commit: (offsets) => this.#call(() => membership.commit(offsets)),
        leave: () => this.#call(() => membership.leave()),
      };
    });
  }

  /** What happened to the group while the process was frozen. */
  catchUp(): void {
    for (const hear of this.#unheard.splice(0)) hear();
  }

  append(): Promise<void> {
    throw new Error('a batcher appends nothing');
  }

  health(): string | undefined {
    return this.handle.health();
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  #call<T>(run: () => Promise<T>): Promise<T> {
    return this.#boundary.call(async () => {
      const latencyMs = this.#random.between(0, MAX_LATENCY_MS);
      if (latencyMs > 0) await this.#clock.sleep(latencyMs);
      return run();
    });
  }
}
