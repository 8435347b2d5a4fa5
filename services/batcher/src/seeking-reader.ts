import type { PartitionReader, ReadResult, RecordLog } from '@trailpush/core';

/** Reads a partition from wherever it is asked to; in order, that costs nothing extra. */
export class SeekingReader {
  readonly #log: RecordLog;
  readonly #partition: number;
  #reader: PartitionReader | undefined;
  /** Where the reader stands; it is opened anew to go anywhere else. */
  #at = -1;

  constructor(log: RecordLog, partition: number) {
    this.#log = log;
    this.#partition = partition;
  }

  /** @throws OffsetOutOfRangeError, LogClosedError */
  async read(from: number): Promise<ReadResult> {
    if (!this.#reader || this.#at !== from) {
      await this.close();
      this.#reader = this.#log.openReader(this.#partition, from);
    }
    try {
      const result = await this.#reader.read();
      this.#at = result.nextOffset;
      return result;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Ends a read that is under way; the next one opens anew. */
  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#at = -1;
    await reader?.close();
  }
}
