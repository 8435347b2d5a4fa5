/** What differs between events of one template. */
export interface StampedValues {
  /** 36 characters. */
  readonly id: string;
  readonly account: string;
  readonly timeMicros: number;
}

/** How an event is written: whole, and its time alone, which always takes the same room. */
export interface EventForm {
  write(values: StampedValues): Uint8Array;
  timeBytes(micros: number): Buffer;
}

const ID = 'x'.repeat(36);
const TIME_MICROS = 1_900_000_000_123_457;

/**
 * The bytes of an event, written once, in which id, account and time are replaced. The account stands
 * in several places, whole or cut: they are found by writing the event for two accounts.
 */
export class EventStamp {
  readonly #form: EventForm;
  readonly #bytes: Buffer;
  readonly #idAt: number;
  readonly #timeAt: number;
  readonly #accounts: readonly { readonly at: number; readonly length: number }[];

  constructor(accountLength: number, form: EventForm) {
    const write = (letter: string) => {
      const account = letter.repeat(accountLength);
      return Buffer.from(form.write({ id: ID, account, timeMicros: TIME_MICROS }));
    };
    this.#form = form;
    this.#bytes = write('a');
    this.#idAt = this.#bytes.indexOf(ID);
    this.#timeAt = this.#bytes.indexOf(form.timeBytes(TIME_MICROS));
    this.#accounts = differences(this.#bytes, write('b'));
    if (this.#idAt < 0 || this.#timeAt < 0) throw new Error('the event has no id or no time');
  }

  /** `account` is as long as the constructor was told. */
  bytes({ id, account, timeMicros }: StampedValues): Buffer {
    const bytes = Buffer.from(this.#bytes);
    bytes.write(id, this.#idAt, 'latin1');
    for (const { at, length } of this.#accounts) bytes.write(account, at, length, 'latin1');
    this.#form.timeBytes(timeMicros).copy(bytes, this.#timeAt);
    return bytes;
  }
}

/** Runs of bytes that differ. */
function differences(left: Buffer, right: Buffer): { at: number; length: number }[] {
  const runs: { at: number; length: number }[] = [];
  for (let at = 0; at < left.length; at++) {
    if (left[at] === right[at]) continue;
    const start = at;
    while (at < left.length && left[at] !== right[at]) at++;
    runs.push({ at: start, length: at - start });
  }
  return runs;
}

/** An Avro long of the years 1979 to 3111: eight bytes. */
export function avroTime(micros: number): Buffer {
  const bytes = Buffer.alloc(8);
  let rest = micros * 2;
  for (let index = 0; index < 8; index++) {
    bytes[index] = (rest % 128) | (index < 7 ? 0x80 : 0);
    rest = Math.floor(rest / 128);
  }
  return bytes;
}

/** `2026-05-21T15:00:00.123456Z` */
export function rfc3339Micros(micros: number): string {
  const milliseconds = new Date(Math.floor(micros / 1000)).toISOString().slice(0, -1);
  return `${milliseconds}${String(micros % 1000).padStart(3, '0')}Z`;
}
