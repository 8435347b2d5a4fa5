import type { AppendRecord } from '@trailpush/core';
import { encodeEvent, type AuditEvent, type EventEncoder } from '@trailpush/datasets';

import { avroTime, EventStamp, rfc3339Micros, type StampedValues } from './event-stamp.ts';
import { makeEvent } from './event-templates.ts';
import { itemText } from './item-text.ts';
import { hex, mix32 } from './hashing.ts';
import { SeededRandom } from './random.ts';

export interface EventSourceOptions {
  readonly seed?: number;
  /** Account ids, or how many to make up (32 hex digits each). */
  readonly accounts?: readonly string[] | number;
  /** How events spread over accounts: evenly, or a few with most of them (weight 1/rank). */
  readonly spread?: 'even' | 'zipf';
  readonly startMs?: number;
  readonly eventsPerSecond?: number;
  /** Different events, apart from id, time and account. */
  readonly templates?: number;
  readonly encode?: EventEncoder;
}

const MAX_EVENTS = 2 ** 40;

/**
 * Realistic audit events by number, the same for the same options whenever and in whatever order they
 * are asked for. `encoded` and `item` patch ready-made bytes, so that benches can have millions.
 */
export class EventSource {
  readonly accounts: readonly string[];
  readonly #seed: number;
  readonly #startMicros: number;
  readonly #microsPerEvent: number;
  readonly #templates: number;
  readonly #encode: EventEncoder;
  /** Upper end of each account's share of [0, 1). */
  readonly #shares: Float64Array;
  /** By template and length of the account id. */
  readonly #records = new Map<number, EventStamp>();
  readonly #items = new Map<number, EventStamp>();

  constructor(options: EventSourceOptions = {}) {
    const { seed = 1, accounts = 10, spread = 'even', startMs = Date.UTC(2026, 4, 21) } = options;
    const { eventsPerSecond = 1000, templates = 2000, encode = encodeEvent } = options;
    this.accounts = typeof accounts === 'number' ? makeAccounts(seed, accounts) : accounts;
    this.#seed = seed;
    this.#startMicros = startMs * 1000;
    this.#microsPerEvent = 1e6 / eventsPerSecond;
    this.#templates = templates;
    this.#encode = encode;
    this.#shares = makeShares(this.accounts.length, spread);
  }

  /** A UUID of version 7 that ends in the event's number. */
  id(index: number): string {
    if (!(index >= 0 && index < MAX_EVENTS)) throw new RangeError(`no event ${index}`);
    const time = Math.floor(this.timeMicros(index) / 1000)
      .toString(16)
      .padStart(12, '0');
    const random = this.#bits(index, 1).toString(16).padStart(8, '0');
    const number = index.toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-8${random.slice(3, 6)}-${number}`;
  }

  /** The number of an event of this source, or undefined for any other id. */
  indexOf(id: string): number | undefined {
    const index = Number.parseInt(id.slice(24), 16);
    return index >= 0 && index < MAX_EVENTS && this.id(index) === id ? index : undefined;
  }

  account(index: number): string {
    const place = this.#bits(index, 2) / 2 ** 32;
    let low = 0;
    let high = this.#shares.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (place < (this.#shares[middle] ?? 1)) high = middle;
      else low = middle + 1;
    }
    const account = this.accounts[low];
    if (account === undefined) throw new RangeError('a source needs an account');
    return account;
  }

  timeMicros(index: number): number {
    return this.#startMicros + Math.floor(index * this.#microsPerEvent);
  }

  event(index: number): AuditEvent {
    const values = {
      id: this.id(index),
      account: this.account(index),
      timeMicros: this.timeMicros(index),
    };
    return this.#event(this.#templateOf(index), values);
  }

  /** One line in the shape of the audit API's item, without a newline. */
  item(index: number): string {
    const write = (event: AuditEvent) => Buffer.from(itemText(event));
    const timeBytes = (micros: number) => Buffer.from(rfc3339Micros(micros));
    return this.#stamped(this.#items, index, write, timeBytes).toString();
  }

  /** The event as a record of the log. */
  encoded(index: number): AppendRecord {
    const value = this.#stamped(this.#records, index, this.#encode, avroTime);
    return { key: this.account(index), value };
  }

  #templateOf(index: number): number {
    return this.#bits(index, 3) % this.#templates;
  }

  #stamped(
    cache: Map<number, EventStamp>,
    index: number,
    write: (event: AuditEvent) => Uint8Array,
    timeBytes: (micros: number) => Buffer,
  ): Buffer {
    const template = this.#templateOf(index);
    const account = this.account(index);
    const key = account.length * this.#templates + template;
    let stamp = cache.get(key);
    if (!stamp) {
      stamp = new EventStamp(account.length, {
        write: (values) => write(this.#event(template, values)),
        timeBytes,
      });
      cache.set(key, stamp);
    }
    return stamp.bytes({ id: this.id(index), account, timeMicros: this.timeMicros(index) });
  }

  #event(template: number, { id, account, timeMicros }: StampedValues): AuditEvent {
    const event = makeEvent(new SeededRandom(mix32(this.#seed) ^ template), account);
    event.id = id;
    event.action.time = timeMicros;
    return event;
  }

  /** 32 bits of event `index`, others for each `purpose`. */
  #bits(index: number, purpose: number): number {
    const high = Math.floor(index / 2 ** 32);
    return mix32(mix32(mix32(this.#seed + purpose * 0x9e3779b9) ^ (index >>> 0)) + high);
  }
}

function makeAccounts(seed: number, count: number): string[] {
  const random = new SeededRandom(mix32(seed) ^ 0xacc);
  return Array.from({ length: count }, () => hex(random, 32));
}

function makeShares(count: number, spread: 'even' | 'zipf'): Float64Array {
  const shares = new Float64Array(count);
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) {
    sum += spread === 'zipf' ? 1 / rank : 1;
    shares[rank - 1] = sum;
  }
  return shares.map((share) => share / sum);
}
