import {
  LogClosedError,
  LogUnavailableError,
  RecordTooLargeError,
  type AppendRecord,
  type Assignment,
  type Clock,
  type GroupMembership,
  type LogRecord,
  type PartitionBounds,
  type PartitionReader,
  type RecordLog,
} from '@trailpush/core';
import { partitionOfKey } from '../../services/lib/log/src/embedded/partitioner.ts';
import { MemoryReader } from './memory-reader.ts';

const MAX_READS_AT_ONCE = 20_000;

interface MemoryPartition {
  readonly records: LogRecord[];
  start: number;
  end: number;
  lastTimestampMs: number;
  /** Readers that wait at the end. */
  readonly waiting: Set<() => void>;
}

interface Member {
  readonly log: MemoryLog;
  readonly onAssignment: (assignment: Assignment) => void;
  partitions: readonly number[];
}

interface Group {
  generation: number;
  readonly members: Member[];
  readonly committed: Map<number, number>;
}

export interface MemoryTopicOptions {
  readonly clock: Clock;
  readonly partitions: number;
  readonly topic?: string;
  /** Most records that one read gives. */
  readonly maxReadRecords?: number;
  readonly maxRecordBytes?: number;
  /** How many offsets are left out before a record, as transaction markers do. */
  readonly offsetGap?: () => number;
}

/** A topic in memory: the broker's side. `open` gives a process its handle on it. */
export class MemoryTopic {
  readonly topic: string;
  readonly clock: Clock;
  readonly maxReadRecords: number;
  /** While set, reads find nothing, and bounds and appends reject. */
  unavailable = false;
  /** What a read of records takes. */
  readMs = 0;
  /** Told of each read before it looks, from where. */
  beforeRead: (at: { partition: number; position: number }) => void = () => undefined;
  readonly #partitions: MemoryPartition[];
  readonly #maxRecordBytes: number;
  readonly #offsetGap: () => number;
  readonly #groups = new Map<string, Group>();
  readonly #expelled: { group: Group; member: Member }[] = [];
  /** Reads since time went on. */
  #reads = { atMs: 0, count: 0 };

  constructor(options: MemoryTopicOptions) {
    this.clock = options.clock;
    this.topic = options.topic ?? 'audit.events';
    this.maxReadRecords = options.maxReadRecords ?? 500;
    this.#maxRecordBytes = options.maxRecordBytes ?? 64 * 1024 * 1024;
    this.#offsetGap = options.offsetGap ?? (() => 0);
    this.#partitions = Array.from({ length: options.partitions }, emptyPartition);
  }

  /** A handle with timers of its own, so that a process can be frozen together with its reads. */
  open(clock: Clock = this.clock): MemoryLog {
    return new MemoryLog(this, clock);
  }

  partition(number: number): MemoryPartition {
    const found = this.#partitions[number];
    if (!found) throw new Error(`the topic has no partition ${number}`);
    return found;
  }

  bounds(): PartitionBounds[] {
    return this.#partitions.map(({ start, end }, partition) => ({ partition, start, end }));
  }

  partitionOf(key: string): number {
    return partitionOfKey(Buffer.from(key), this.#partitions.length);
  }

  /** Appends synchronously. Returns where each record came to lie. */
  append(records: readonly AppendRecord[]): { partition: number; offset: number }[] {
    for (const [index, { value }] of records.entries()) {
      if (value.length <= this.#maxRecordBytes) continue;
      throw new RecordTooLargeError(index, `record ${index} is larger than the topic allows`);
    }
    return records.map(({ key, value }) => {
      const partition = this.partitionOf(key);
      return { partition, offset: this.appendRaw({ partition, key: Buffer.from(key), value }) };
    });
  }

  /** Appends what no producer of ours would write. Returns the offset. */
  appendRaw(record: {
    partition: number;
    key: Uint8Array | null;
    value: Uint8Array | null;
  }): number {
    const { partition, key, value } = record;
    this.leaveGap(partition, this.#offsetGap());
    const into = this.partition(partition);
    into.lastTimestampMs = Math.max(into.lastTimestampMs, Math.floor(this.clock.now()));
    const offset = into.end++;
    into.records.push({ offset, timestampMs: into.lastTimestampMs, key, value });
    wake(into);
    return offset;
  }

  /** Uses up offsets without a record. */
  leaveGap(partition: number, offsets: number): void {
    this.partition(partition).end += offsets;
  }

  /** Retention: the log holds nothing below `start` any more. */
  trim(partition: number, start: number): void {
    const from = this.partition(partition);
    from.start = Math.min(Math.max(from.start, start), from.end);
    while ((from.records[0]?.offset ?? from.start) < from.start) from.records.shift();
  }

  /** The log loses its tail, as after an unclean election or when the topic is made anew. */
  truncate(partition: number, end: number): void {
    const from = this.partition(partition);
    from.end = Math.min(from.end, end);
    from.start = Math.min(from.start, from.end);
    while ((from.records.at(-1)?.offset ?? -1) >= from.end) from.records.pop();
    wake(from);
  }

  /** A loop that reads without end while time stands still would hang the test: it fails instead. */
  countRead(): void {
    const atMs = this.clock.monotonic();
    if (atMs !== this.#reads.atMs) this.#reads = { atMs, count: 0 };
    this.#reads.count++;
    if (this.#reads.count > MAX_READS_AT_ONCE) throw new Error('somebody reads in a busy loop');
  }

  committed(groupId: string): ReadonlyMap<number, number> {
    return this.#groups.get(groupId)?.committed ?? new Map();
  }

  join(groupId: string, member: Member): GroupMembership {
    const group = this.#groups.get(groupId) ?? {
      generation: 0,
      members: [],
      committed: new Map<number, number>(),
    };
    this.#groups.set(groupId, group);
    group.members.push(member);
    this.#assign(group);
    return {
      commit: async (offsets) => {
        for (const [partition, offset] of offsets) {
          if (member.partitions.includes(partition)) group.committed.set(partition, offset);
        }
      },
      leave: async () => this.#remove(group, member),
    };
  }

  /** Every member is told its partitions again, under the next generation. */
  rebalance(): void {
    for (const group of this.#groups.values()) this.#assign(group);
  }

  /** A member that was expelled and told so has joined again, by itself. */
  rejoin(log: MemoryLog): void {
    for (const expelled of [...this.#expelled]) {
      if (expelled.member.log !== log) continue;
      this.#expelled.splice(this.#expelled.indexOf(expelled), 1);
      expelled.group.members.push(expelled.member);
      this.#assign(expelled.group);
    }
  }

  /** Keys spread over one partition more from now on, which every group is told of. */
  addPartition(): void {
    this.#partitions.push(emptyPartition());
    this.rebalance();
  }

  /**
   * The session of a process has expired: others get its partitions. It is told only when the returned
   * function is called, as when it hangs or is cut off for a while.
   */
  expel(log: MemoryLog): () => void {
    const tells: (() => void)[] = [];
    for (const group of this.#groups.values()) {
      for (const member of group.members.filter((of) => of.log === log)) {
        this.#remove(group, member);
        this.#expelled.push({ group, member });
        tells.push(() => member.onAssignment({ generation: group.generation, partitions: [] }));
      }
    }
    return () => {
      for (const tell of tells) tell();
    };
  }

  #remove(group: Group, member: Member): void {
    const place = group.members.indexOf(member);
    if (place < 0) return;
    group.members.splice(place, 1);
    member.partitions = [];
    this.#assign(group);
  }

  #assign(group: Group): void {
    group.generation += 1;
    const { generation, members } = group;
    for (const [place, member] of members.entries()) {
      member.partitions = [...this.#partitions.keys()].filter((i) => i % members.length === place);
    }
    for (const { onAssignment, partitions } of members.slice()) {
      onAssignment({ generation, partitions });
    }
  }
}

/** One process's handle on a topic. */
export class MemoryLog implements RecordLog {
  readonly topic: string;
  readonly #broker: MemoryTopic;
  readonly #clock: Clock;
  readonly #readers = new Set<MemoryReader>();
  /** Set by a kill: nothing is answered any more. */
  severed = false;
  #closed = false;

  constructor(broker: MemoryTopic, clock: Clock) {
    this.topic = broker.topic;
    this.#broker = broker;
    this.#clock = clock;
  }

  /** Readers that were opened and not closed. */
  get openReaders(): number {
    return this.#readers.size;
  }

  async bounds(): Promise<readonly PartitionBounds[]> {
    if (this.severed) return never();
    this.#throwIfAway();
    return this.#broker.bounds();
  }

  openReader(partition: number, offset: number): PartitionReader {
    const reader = new MemoryReader(this.#broker, this.#clock, partition, offset, () =>
      this.#readers.delete(reader),
    );
    this.#readers.add(reader);
    return reader;
  }

  async joinGroup(
    groupId: string,
    onAssignment: (assignment: Assignment) => void,
  ): Promise<GroupMembership> {
    if (this.severed) return never();
    if (this.#closed) throw new LogClosedError('the log is closed');
    const hear = (assignment: Assignment): void => {
      if (!this.severed) onAssignment(assignment);
    };
    return this.#broker.join(groupId, { log: this, onAssignment: hear, partitions: [] });
  }

  async append(records: readonly AppendRecord[]): Promise<void> {
    this.#throwIfAway();
    this.#broker.append(records);
  }

  health(): string | undefined {
    return this.#broker.unavailable ? 'the log is away' : undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#broker.expel(this);
    for (const reader of [...this.#readers]) await reader.close();
  }

  #throwIfAway(): void {
    if (this.#closed) throw new LogClosedError('the log is closed');
    if (this.#broker.unavailable) throw new LogUnavailableError('the log is away');
  }
}

function emptyPartition(): MemoryPartition {
  return { records: [], start: 0, end: 0, lastTimestampMs: 0, waiting: new Set() };
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

function wake(partition: MemoryPartition): void {
  for (const wakeUp of [...partition.waiting]) wakeUp();
}
