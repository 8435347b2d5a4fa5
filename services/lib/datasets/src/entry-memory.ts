import { ENTRY_TEXTS, type AuditEntry, type EncodedTexts, type Tenant } from '@trailpush/core';

/** Where entries lie that are kept together, until nobody has one of them any more: two pieces of memory for all of them. */
export class EntryMemory {
  /** What was taken last. */
  bytes: Buffer;
  at = 0;
  readonly ranges: Int32Array;
  rangesAt = 0;
  readonly #shared: Buffer;
  #usedBytes = 0;
  #usedRanges = 0;

  /** For so many entries, whose records have so many bytes together. */
  constructor(entries: number, bytes: number) {
    this.#shared = Buffer.allocUnsafeSlow(bytes);
    this.bytes = this.#shared;
    this.ranges = new Int32Array(entries * 2 * ENTRY_TEXTS.length);
  }

  /** Makes `at` in `bytes`, and `rangesAt` in `ranges`, the place of one more entry. */
  take(bytes: number): void {
    this.rangesAt = this.#usedRanges;
    this.#usedRanges += 2 * ENTRY_TEXTS.length;
    if (this.#usedBytes + bytes <= this.#shared.length) {
      [this.bytes, this.at] = [this.#shared, this.#usedBytes];
      this.#usedBytes += bytes;
      return;
    }
    // Bodies that are rewritten may become longer.
    [this.bytes, this.at] = [Buffer.allocUnsafeSlow(bytes), 0];
  }
}

/** What an entry has besides its texts. */
export interface EntryBasics {
  readonly tenant: Tenant;
  readonly timeMicros: number;
  readonly raw_status_code: number | null;
}

/** An entry whose texts are made when somebody asks for them, each time anew. */
class EncodedEntry implements EntryBasics {
  readonly tenant: Tenant;
  readonly id: string;
  readonly timeMicros: number;
  readonly raw_status_code: number | null;
  readonly encoded: EncodedTexts;

  constructor(encoded: EncodedTexts, { tenant, timeMicros, raw_status_code }: EntryBasics) {
    this.tenant = tenant;
    this.id = textAt(encoded, 0) ?? '';
    this.timeMicros = timeMicros;
    this.raw_status_code = raw_status_code;
    this.encoded = encoded;
  }
}

for (const [index, name] of ENTRY_TEXTS.entries()) {
  if (name === 'id') continue;
  Object.defineProperty(EncodedEntry.prototype, name, {
    get(this: EncodedEntry) {
      return textAt(this.encoded, index);
    },
  });
}

export function encodedEntry(encoded: EncodedTexts, basics: EntryBasics): AuditEntry {
  return new EncodedEntry(encoded, basics) as EncodedEntry & AuditEntry;
}

function textAt({ bytes, ranges, at }: EncodedTexts, index: number): string | null {
  const start = ranges[at + 2 * index] ?? -1;
  return start < 0 ? null : bytes.toString('utf8', start, ranges[at + 2 * index + 1]);
}

/** The same entry with its texts as members of its own, to be shown. */
export function plainEntry(entry: AuditEntry): AuditEntry {
  const { tenant, timeMicros, raw_status_code } = entry;
  const texts = Object.fromEntries(ENTRY_TEXTS.map((name) => [name, entry[name]]));
  return { tenant, timeMicros, raw_status_code, ...texts } as AuditEntry;
}
