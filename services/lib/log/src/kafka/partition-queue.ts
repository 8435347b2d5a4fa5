import { LogUnavailableError } from '@trailpush/core';
import { encodeBatch, encodedSize } from './produce.ts';
import type { ProducerIdentity, RecordToEncode } from './produce.ts';

/** A batch stays below the 1 MiB that topics accept by default, but for a single larger record. */
const maxBatchBytes = 900 * 1024;
const maxBatchRecords = 10_000;

/** One call of `append`; it is over when all its records are, or when the first of them failed. */
export class AppendCall {
  readonly deadlineMs: number;
  readonly done: Promise<void>;
  #open: number;
  #resolve!: () => void;
  #reject!: (error: Error) => void;

  constructor(records: number, deadlineMs: number) {
    this.#open = records;
    this.deadlineMs = deadlineMs;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get over(): boolean {
    return this.#open === 0;
  }

  stored(records: number): void {
    if (this.over) return;
    this.#open -= records;
    if (this.#open === 0) this.#resolve();
  }

  failed(error: Error): void {
    if (this.over) return;
    this.#open = 0;
    this.#reject(error);
  }
}

/** A producer id with the sequence number that each partition's next batch gets. */
export interface Sequences extends ProducerIdentity {
  readonly next: Map<number, number>;
}

/** The records of one call that go to one partition; those before `next` are in a batch. */
interface Share {
  readonly call: AppendCall;
  readonly records: readonly RecordToEncode[];
  next: number;
}

/** Encoded once and sent until the broker has answered, so that it can recognise it. */
export interface SealedBatch {
  readonly partition: number;
  readonly records: readonly RecordToEncode[];
  readonly calls: ReadonlyMap<AppendCall, number>;
  readonly deadlineMs: number;
  readonly bytes: Buffer;
  readonly failures: number;
  readonly retryAtMs: number;
  /** The broker refused its producer id: it must be sealed again. */
  readonly refused: boolean;
}

/** The records that wait for one partition, in order. One batch at a time is under way. */
export class PartitionQueue {
  readonly partition: number;
  /** Sealed, and not yet confirmed. */
  batch: SealedBatch | undefined;
  /** True while a request with the batch is under way. */
  sending = false;
  #shares: Share[] = [];

  constructor(partition: number) {
    this.partition = partition;
  }

  get empty(): boolean {
    return this.batch === undefined && this.#shares.length === 0;
  }

  add(call: AppendCall, records: readonly RecordToEncode[]): void {
    this.#shares.push({ call, records, next: 0 });
  }

  /** Makes the next batch of what waits, if anything does. */
  seal(sequences: Sequences, nowMs: number): SealedBatch | undefined {
    const records: RecordToEncode[] = [];
    const calls = new Map<AppendCall, number>();
    let bytes = 0;
    this.#shares = this.#shares.filter(({ call }) => !call.over);
    shares: for (const share of this.#shares) {
      for (; share.next < share.records.length; share.next += 1) {
        const record = share.records[share.next];
        if (record === undefined) break;
        bytes += encodedSize(record);
        const full = bytes > maxBatchBytes || records.length === maxBatchRecords;
        if (full && records.length > 0) break shares;
        records.push(record);
        calls.set(share.call, (calls.get(share.call) ?? 0) + 1);
      }
    }
    this.#shares = this.#shares.filter((share) => share.next < share.records.length);
    this.batch = this.#sealed(records, calls, sequences, nowMs);
    return this.batch;
  }

  /** The same records under another producer id, because the broker refused the one they had. */
  sealAgain(batch: SealedBatch, sequences: Sequences, nowMs: number): SealedBatch | undefined {
    const again = this.#sealed(batch.records, batch.calls, sequences, nowMs);
    this.batch = again && { ...again, failures: batch.failures };
    return this.batch;
  }

  /** Fails the calls that have waited too long; tells whether a sealed batch was among them. */
  expire(monotonicMs: number, trouble: string): boolean {
    const error = new LogUnavailableError(trouble);
    for (const { call } of this.#shares) if (call.deadlineMs <= monotonicMs) call.failed(error);
    this.#shares = this.#shares.filter(({ call }) => !call.over);
    if (this.sending || this.batch === undefined || this.batch.deadlineMs > monotonicMs)
      return false;
    this.fail(error);
    return true;
  }

  /** Gives the sealed batch up. */
  fail(error: Error): void {
    const { batch } = this;
    this.batch = undefined;
    for (const call of batch?.calls.keys() ?? []) call.failed(error);
  }

  /** Gives everything up. */
  failAll(error: Error): void {
    this.fail(error);
    for (const { call } of this.#shares.splice(0)) call.failed(error);
  }

  #sealed(
    records: readonly RecordToEncode[],
    calls: ReadonlyMap<AppendCall, number>,
    sequences: Sequences,
    nowMs: number,
  ): SealedBatch | undefined {
    if (records.length === 0) return undefined;
    const { partition } = this;
    const sequence = sequences.next.get(partition) ?? 0;
    // Sequence numbers go from 2^31 - 1 to 0.
    sequences.next.set(partition, (sequence + records.length) % 2 ** 31);
    return {
      partition,
      records,
      calls,
      deadlineMs: Math.min(...[...calls.keys()].map((call) => call.deadlineMs)),
      bytes: encodeBatch(records, sequences, sequence, nowMs),
      failures: 0,
      retryAtMs: 0,
      refused: false,
    };
  }
}
