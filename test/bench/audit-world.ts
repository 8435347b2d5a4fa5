import { setImmediate as nextTurn } from 'node:timers/promises';

import {
  LogClosedError,
  type Assignment,
  type GroupMembership,
  type LogRecord,
  type PartitionReader,
  type ReadResult,
  type RecordLog,
} from '@trailpush/core';
import { systemClock as clock } from '@trailpush/runtime';

import { account } from '../kit/audit-entry.ts';
import { EventSource } from '../kit/event-source.ts';
import { SeededRandom } from '../kit/random.ts';

export const DAY_MICROS = 86_400_000_000;
export const MONTHS_18_DAYS = 548;
export const END_MICROS = Date.UTC(2026, 4, 21) * 1000;
const ACCOUNTS = 1000;
/** On top of its share, so that the largest account has about a fifth of all events. */
const EXTRA_SHARE = 0.08;
const PARTITIONS = 4;
/** Records of one read: about what the real logs give. */
const READ_RECORDS = 1000;
/** A log does not stop everything else while it fetches. */
const RECORDS_A_TURN = 50;

/** Events spread evenly over 18 months. */
export class AuditWorld {
  readonly events: number;
  readonly #all: EventSource;
  readonly #largest: EventSource;
  readonly #random = new SeededRandom(11);

  constructor(events: number) {
    this.events = events;
    const eventsPerSecond = events / (MONTHS_18_DAYS * 86_400);
    const startMs = (END_MICROS - MONTHS_18_DAYS * DAY_MICROS) / 1000;
    const common = { startMs, eventsPerSecond, templates: 20_000 };
    this.#all = new EventSource({ ...common, accounts: ACCOUNTS, spread: 'zipf' });
    this.#largest = new EventSource({ ...common, accounts: [this.largest], seed: 2 });
  }

  /** The id of the account with most events. */
  get largest(): string {
    return this.#all.accounts[0] ?? '';
  }

  source(index: number): EventSource {
    return index % 100 < EXTRA_SHARE * 100 ? this.#largest : this.#all;
  }

  /** A random event of the last days: who asks for something mostly asks for what is there. */
  recent(days: number) {
    const first = Math.floor(this.events * (1 - days / MONTHS_18_DAYS));
    const index = this.#random.between(first, this.events - 1);
    const event = this.source(index).event(index);
    return { event, tenant: account(event.account?.id ?? '') };
  }
}

/** The events of a world as a log that was filled: made when they are read, the same every time. */
export class GeneratedLog implements RecordLog {
  readonly topic = 'bench';
  readonly #world: AuditWorld;

  constructor(world: AuditWorld) {
    this.#world = world;
  }

  async bounds() {
    const end = Math.ceil(this.#world.events / PARTITIONS);
    return Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, start: 0, end }));
  }

  openReader(partition: number, offset: number): PartitionReader {
    const state = { offset, isClosed: false };
    return {
      partition,
      read: () => this.#read(partition, state),
      close: async () => {
        state.isClosed = true;
      },
    };
  }

  async joinGroup(_: string, onAssignment: (of: Assignment) => void): Promise<GroupMembership> {
    onAssignment({ generation: 1, partitions: [...Array(PARTITIONS).keys()] });
    return { commit: async () => undefined, leave: async () => undefined };
  }

  async append(): Promise<void> {
    throw new Error('the log of a bench takes no records');
  }

  health() {
    return undefined;
  }

  async close(): Promise<void> {
    return;
  }

  async #read(
    partition: number,
    state: { offset: number; isClosed: boolean },
  ): Promise<ReadResult> {
    const end = Math.ceil(this.#world.events / PARTITIONS);
    // As a network would: not in the same turn.
    await (state.offset < end ? nextTurn() : clock.sleep(100));
    if (state.isClosed) throw new LogClosedError('the reader is closed');
    const { offset } = state;
    state.offset = Math.min(end, offset + READ_RECORDS);
    const records: LogRecord[] = [];
    const nextOffset = state.offset;
    for (let at = offset; at < nextOffset; at += 1) {
      const number = at * PARTITIONS + partition;
      const { key, value } = this.#world.source(number).encoded(number);
      const timestampMs = Math.floor(this.#world.source(number).timeMicros(number) / 1000);
      records.push({ offset: at, timestampMs, key: Buffer.from(key), value });
      if (records.length % RECORDS_A_TURN === 0) await nextTurn();
    }
    return { partition, start: 0, end, records, nextOffset };
  }
}
