import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** NDJSON, gzip or plain, as it lies at a destination. */
export interface DeliveredObject {
  readonly name: string;
  readonly body: Uint8Array;
}

/** What is wrong, counted, with the first few by name. All zero: every event arrived exactly once. */
export interface Findings {
  readonly objects: number;
  readonly events: number;
  readonly missing: Finding;
  /** Events that came more than once; each further copy counts. */
  readonly duplicates: Finding;
  /** Events that were not expected at all. */
  readonly unexpected: Finding;
  /** Events of accounts that have no business here. */
  readonly foreign: Finding;
}

export interface Finding {
  readonly count: number;
  readonly examples: readonly string[];
}

export interface Expected {
  readonly ids: Iterable<string>;
  readonly accounts: readonly string[];
}

const MAX_EXAMPLES = 5;
const NEWLINE = 0x0a;
/** Digests of what was delivered lie beside it, below this folder. */
const EVIDENCE = /(?:^|\/)_trailpush\//;

/** Takes down what arrived at a destination, and says how that differs from what should have. */
export class DeliveryOracle {
  readonly #objects: string[] = [];
  /** By id: the object in which it was seen first. */
  readonly #seen = new Map<string, number>();
  /** By account: its events, and one of them. */
  readonly #accounts = new Map<string, { count: number; example: string }>();
  readonly #duplicates = new Tally();

  /** @throws Error when a line is not what a line of `audit_logs_v2` with ids must be. */
  add({ name, body }: DeliveredObject): void {
    const object = this.#objects.push(name) - 1;
    const bytes = body[0] === 0x1f && body[1] === 0x8b ? gunzipSync(body) : Buffer.from(body);
    if (bytes.length > 0 && bytes.at(-1) !== NEWLINE) throw new Error(`${name} ends inside a line`);
    let line = 1;
    for (let start = 0; start < bytes.length; line++) {
      const end = bytes.indexOf(NEWLINE, start);
      this.#addLine(bytes.toString('utf8', start, end), object, `line ${line} of ${name}`);
      start = end + 1;
    }
  }

  /** Every object in a folder and the folders below it. */
  async addFolder(folder: string): Promise<void> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      const name = relative(folder, path);
      // Hidden files are uploads that were not finished.
      if (!entry.isFile() || entry.name.startsWith('.') || EVIDENCE.test(name)) continue;
      this.add({ name, body: await readFile(path) });
    }
  }

  compare({ ids, accounts }: Expected): Findings {
    const missing = new Tally();
    const unexpected = new Tally();
    const foreign = new Tally();
    const expected = new Set(ids);
    const own = new Set(accounts);
    for (const id of expected) if (!this.#seen.has(id)) missing.add(id);
    for (const [id, object] of this.#seen) {
      if (!expected.has(id)) unexpected.add(`${id} in ${this.#objects[object] ?? ''}`);
    }
    for (const [account, { count, example }] of this.#accounts) {
      if (!own.has(account)) foreign.add(`${account}: ${example}`, count);
    }
    return {
      objects: this.#objects.length,
      events: this.#seen.size + this.#duplicates.count,
      missing: missing.finding(),
      duplicates: this.#duplicates.finding(),
      unexpected: unexpected.finding(),
      foreign: foreign.finding(),
    };
  }

  #addLine(text: string, object: number, place: string): void {
    let line: unknown;
    try {
      line = JSON.parse(text);
    } catch (error) {
      throw new Error(`${place} is not JSON`, { cause: error });
    }
    const { AuditLogID: id, AccountID: account } = line as Record<string, unknown>;
    if (typeof id !== 'string' || typeof account !== 'string') {
      throw new Error(`${place} has no AuditLogID or no AccountID`);
    }
    const first = this.#seen.get(id);
    if (first === undefined) this.#seen.set(id, object);
    else this.#duplicates.add(`${id} in ${this.#objects[first] ?? ''} and in ${place}`);
    const known = this.#accounts.get(account);
    if (known) known.count++;
    else this.#accounts.set(account, { count: 1, example: place });
  }
}

/** How often something was found, and the first few. */
class Tally {
  readonly #examples: string[] = [];
  count = 0;

  add(example: string, count = 1): void {
    this.count += count;
    if (this.#examples.length < MAX_EXAMPLES) this.#examples.push(example);
  }

  finding(): Finding {
    return { count: this.count, examples: [...this.#examples] };
  }
}
