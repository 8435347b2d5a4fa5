import {
  LogClosedError,
  OffsetOutOfRangeError,
  type Clock,
  type LogRecord,
  type PartitionReader,
  type ReadResult,
} from '@trailpush/core';
import type { MemoryTopic } from './memory-log.ts';

/** How long a read waits for records. */
const WAIT_MS = 1_000;

export class MemoryReader implements PartitionReader {
  readonly partition: number;
  readonly #broker: MemoryTopic;
  readonly #clock: Clock;
  readonly #onClose: () => void;
  #position: number;
  #waiting: AbortController | undefined;
  #isReading = false;
  #handedOut: readonly LogRecord[] = [];
  #closed = false;

  constructor(
    broker: MemoryTopic,
    clock: Clock,
    partition: number,
    offset: number,
    onClose: () => void,
  ) {
    this.#broker = broker;
    this.#clock = clock;
    this.partition = partition;
    this.#position = offset;
    this.#onClose = onClose;
  }

  async read(): Promise<ReadResult> {
    if (this.#closed) throw new LogClosedError('the reader is closed');
    if (this.#isReading) throw new Error('a reader was asked to read twice at once');
    this.#isReading = true;
    this.#takeBack();
    this.#broker.countRead();
    this.#broker.beforeRead({ partition: this.partition, position: this.#position });
    try {
      this.#throwIfOutOfRange();
      if (this.#isAtEnd()) await this.#wait();
      else if (this.#broker.readMs > 0) await this.#clock.sleep(this.#broker.readMs);
      return this.#take();
    } finally {
      this.#isReading = false;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting?.abort();
    this.#onClose();
  }

  #take(): ReadResult {
    if (this.#closed) throw new LogClosedError('the reader is closed');
    this.#throwIfOutOfRange();
    const { records, start, end } = this.#broker.partition(this.partition);
    const at = { partition: this.partition, start, end };
    if (this.#broker.unavailable) return { ...at, records: [], nextOffset: this.#position };
    const first = records.findIndex(({ offset }) => offset >= this.#position);
    const found = first < 0 ? [] : records.slice(first, first + this.#broker.maxReadRecords);
    const last = found.at(-1);
    const isRest = last === undefined || last === records.at(-1);
    this.#position = isRest ? end : last.offset + 1;
    this.#handedOut = found.map((record) => ({
      ...record,
      key: copyOf(record.key),
      value: copyOf(record.value),
    }));
    return { ...at, records: this.#handedOut, nextOffset: this.#position };
  }

  /** Whoever still holds what an earlier read gave finds rubbish in it. */
  #takeBack(): void {
    for (const { key, value } of this.#handedOut) {
      key?.fill(0xdd);
      value?.fill(0xdd);
    }
  }

  #isAtEnd(): boolean {
    return (
      this.#broker.unavailable || this.#position === this.#broker.partition(this.partition).end
    );
  }

  async #wait(): Promise<void> {
    const waiting = new AbortController();
    this.#waiting = waiting;
    const wakeUp = () => waiting.abort();
    const { waiting: waiters } = this.#broker.partition(this.partition);
    waiters.add(wakeUp);
    await this.#clock.sleep(WAIT_MS, waiting.signal).catch(() => undefined);
    waiters.delete(wakeUp);
  }

  #throwIfOutOfRange(): void {
    const { start, end } = this.#broker.partition(this.partition);
    const offset = this.#position;
    if (offset >= start && offset <= end) return;
    throw new OffsetOutOfRangeError({ partition: this.partition, offset, start, end });
  }
}

function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Buffer.from(bytes);
}
