/**
 * The record log: a topic of ordered, durable partitions. Two implementations answer to one contract
 * suite (`test/kit/contracts/record-log.ts`): Kafka, and the embedded log of a single process.
 *
 * Offsets are numbers, not bigints: 2^53 records are 285 years at a million a second, and adapters
 * refuse anything above `Number.MAX_SAFE_INTEGER`.
 */

/**
 * One record as read. `value` and `key` are views of the reader's memory, which it may take back at its next
 * `read`: whoever keeps them longer copies them.
 */
export interface LogRecord {
  readonly offset: number;
  /** The broker's time (LogAppendTime), milliseconds since the epoch. */
  readonly timestampMs: number;
  /** The id of the account, or of the organization, in UTF-8; null when the producer sent none. */
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

export interface PartitionBounds {
  readonly partition: number;
  /** The oldest offset that the log still holds, or `end` when it is empty. */
  readonly start: number;
  /** The offset that the next record will get. */
  readonly end: number;
}

/** What one read found. `records` may be empty: the read then only reports the bounds. */
export interface ReadResult extends PartitionBounds {
  readonly records: readonly LogRecord[];
  /** Where the next read goes on. Every offset below it has been seen or does not exist (offsets have gaps). */
  readonly nextOffset: number;
}

/** Reads one partition in order. Not safe for concurrent reads. */
export interface PartitionReader {
  readonly partition: number;
  /**
   * The next records, at least one when the log has any, else an empty result after at most a second.
   * Trouble with the log is waited out inside (see `RecordLog.health`).
   * @throws OffsetOutOfRangeError when the log no longer holds, or does not yet have, the position.
   * @throws LogClosedError after `close`.
   */
  read(): Promise<ReadResult>;
  close(): Promise<void>;
}

/** The partitions that this member holds. `generation` grows with every join. */
export interface Assignment {
  readonly generation: number;
  readonly partitions: readonly number[];
}

export interface GroupMembership {
  /**
   * Stores offsets with the group, as a hint for restarts and for ordinary Kafka tools: progress is
   * kept elsewhere. Partitions that this member does not hold are left out.
   */
  commit(offsets: ReadonlyMap<number, number>): Promise<void>;
  /** Leaves the group. Offsets that must be stored are committed before. */
  leave(): Promise<void>;
}

export interface AppendRecord {
  /** The id of the account, or of the organization. Records of one key keep their order and share a partition. */
  readonly key: string;
  readonly value: Uint8Array;
}

export interface RecordLog {
  readonly topic: string;
  /** Start and end of every partition. @throws LogUnavailableError */
  bounds(): Promise<readonly PartitionBounds[]>;
  /** A reader that needs no group. */
  openReader(partition: number, offset: number): PartitionReader;
  /**
   * Joins a consumer group. `onAssignment` is called synchronously at every join, also when nothing
   * changed, and with no partitions when the membership was lost; the log joins again by itself.
   */
  joinGroup(
    groupId: string,
    onAssignment: (assignment: Assignment) => void,
  ): Promise<GroupMembership>;
  /**
   * Appends records; resolves when every one of them is durable (acks=all, or synced to disk).
   * @throws RecordTooLargeError naming the record; nothing of the call was appended.
   * @throws LogUnavailableError when that could not be confirmed; some of them may be in the log.
   */
  append(records: readonly AppendRecord[]): Promise<void>;
  /** Undefined while all is well, else one sentence for `/readyz`. */
  health(): string | undefined;
  close(): Promise<void>;
}
