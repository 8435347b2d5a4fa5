import {
  InvalidJobError,
  UndecodableRecordError,
  type Clock,
  type Dataset,
  type EventFilter,
  type EventReader,
  type LineOptions,
  type LineWriter,
} from '@trailpush/core';

export const DATASET_ID = 'audit_logs_v2';
export const DELETES_ONLY = 'deletes only';
/** The second way in which lines may look. */
export const MARKED = 'marked';

/** An event as the simulation knows it; `text` is its record's value, and its line but for the marks. */
export interface SimEvent {
  readonly accountId: string;
  readonly action: string;
  readonly text: string;
  readonly partition: number;
  readonly offset: number;
  /** When it was produced, on the monotonic clock. */
  readonly atMs: number;
  /** Set for a record that nobody can read: it is owed as a dead letter. */
  readonly isBad?: boolean;
}

export interface Content {
  readonly filter: string;
  readonly outputOptions: string | null;
}

/** `<number> <account> <action> <schema> <padding>`. */
export function eventText(event: {
  number: number;
  accountId: string;
  action: string;
  hasNewSchema: boolean;
  paddingChars: number;
}): string {
  const { number, accountId, action, hasNewSchema, paddingChars } = event;
  return [number, accountId, action, hasNewSchema ? 'new' : 'old', 'x'.repeat(paddingChars)].join(
    ' ',
  );
}

export function matches(event: SimEvent, filter: string): boolean {
  return !event.isBad && (filter === '' || event.action === 'delete');
}

/** The line that a content makes of an event: the oracle's own way. */
export function lineOf(event: SimEvent, { outputOptions }: Content): string {
  return outputOptions === MARKED ? `* ${event.text}\n` : `${event.text}\n`;
}

/** The schema registry, which may be away. */
export class Registry {
  isAway = false;
}

/**
 * A dataset of the least work, with all that the port can do: undecodable records, records of another
 * account, schemas that must be fetched, filters and two kinds of lines.
 */
export function plainDataset(registry: Registry, clock: Clock): Dataset {
  return {
    id: DATASET_ID,
    fields: [],
    openReader: () => new PlainReader(registry, clock),
    checkFilter: () => undefined,
    parseOutputOptions: ({ outputOptions }) => ({
      line: {
        outputType: 'ndjson',
        parts: [{ text: outputOptions ?? '' }],
        timestampFormat: 'unixnano',
        defusesLookups: false,
      },
      frame: {
        ...{ prefix: '', delimiter: '', suffix: '' },
        ...{ contentType: 'application/x-ndjson', defusesLookups: false },
      },
      sampleRate: 1,
    }),
  };
}

class PlainReader implements EventReader {
  readonly isOfAccount = true;
  readonly #registry: Registry;
  readonly #clock: Clock;
  #knowsNewSchema = false;
  #text = '';
  #action = '';

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  load(value: Uint8Array, accountKey: Uint8Array): boolean {
    const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1');
    const [number = '', accountId, action = '', schema] = text.split(' ', 4);
    if (schema === undefined || !/^\d/.test(number)) {
      throw new UndecodableRecordError('not_avro', 'the record is no event');
    }
    if (accountId !== Buffer.from(accountKey).toString('latin1')) {
      throw new UndecodableRecordError('account_mismatch', 'the record is of another account');
    }
    if (schema === 'new' && !this.#knowsNewSchema) return false;
    this.#text = text;
    this.#action = action;
    return true;
  }

  async ready(): Promise<void> {
    do await this.#clock.sleep(200);
    while (this.#registry.isAway);
    this.#knowsNewSchema = true;
  }

  compileFilter(filter: string): EventFilter | undefined {
    if (filter === '') return undefined;
    if (filter !== DELETES_ONLY) throw new InvalidJobError('', 'the filter is not known');
    return () => this.#action === 'delete';
  }

  compileSample(): EventFilter {
    throw new Error('no job of the simulation asks for a sample');
  }

  compileLine({ parts: [part] }: LineOptions): LineWriter {
    const mark = part && 'text' in part && part.text === MARKED ? '* ' : '';
    return (into, at) => {
      const line = `${mark}${this.#text}\n`;
      if (at + line.length > into.length) return -1;
      return at + into.write(line, at, 'latin1');
    };
  }
}
