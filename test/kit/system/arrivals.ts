import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { HttpReceiver } from '../http-receiver.ts';
import type { Bucket } from '../s3/fake-s3.ts';

/** How often each event arrived, by its id. */
export type Arrivals = ReadonlyMap<string, number>;

const ID = /"AuditLogID":"([^"]*)"/;
/** What the program itself says about the jobs that a test makes with the admin token. */
const OWN_EVENT = /"ActorID":"admin"/;

/** Reads each object once, however often it is asked: looking must not keep servers from answering. */
export abstract class Reader {
  readonly #arrivals = new Map<string, number>();
  readonly #seen = new Set<string>();

  /** Everything that has arrived by now. */
  abstract look(): Arrivals;

  get arrivals(): Arrivals {
    return this.#arrivals;
  }

  protected read(name: string, body: () => Uint8Array): void {
    if (this.#seen.has(name)) return;
    this.#seen.add(name);
    for (const line of gunzipSync(body()).toString().split('\n')) {
      const id = ID.exec(line)?.[1];
      if (id !== undefined && !OWN_EVENT.test(line))
        this.#arrivals.set(id, (this.#arrivals.get(id) ?? 0) + 1);
    }
  }
}

export class FolderReader extends Reader {
  readonly #folder: string;

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  override look(): Arrivals {
    for (const file of globSync('**/*.log.gz', { cwd: this.#folder })) {
      this.read(file, () => readFileSync(`${this.#folder}/${file}`));
    }
    return this.arrivals;
  }
}

export class BucketReader extends Reader {
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    super();
    this.#bucket = bucket;
  }

  override look(): Arrivals {
    for (const [key, { body }] of this.#bucket) this.read(key, () => body);
    return this.arrivals;
  }
}

/** Requests with one `Idempotency-Key` count once; they must have had one body. */
export class ReceiverReader extends Reader {
  repeats = 0;
  readonly #receiver: HttpReceiver;
  readonly #hashes = new Map<string, string>();
  #next = 0;

  constructor(receiver: HttpReceiver) {
    super();
    this.#receiver = receiver;
  }

  override look(): Arrivals {
    for (; this.#next < this.#receiver.received.length; this.#next++) {
      const request = this.#receiver.received[this.#next];
      if (!request) break;
      const key = String(request.headers['idempotency-key']);
      const hash = createHash('sha256').update(request.body).digest('hex');
      const before = this.#hashes.get(key);
      if (before !== undefined && before !== hash)
        throw new Error(`two bodies under Idempotency-Key ${key}`);
      if (before !== undefined) this.repeats++;
      this.#hashes.set(key, hash);
      this.read(key, () => request.body);
    }
    return this.arrivals;
  }
}

export interface Judgement {
  /** Acknowledged and not there. */
  readonly missing: number;
  /** There more than once. */
  readonly repeated: number;
  /** There, and neither acknowledged nor possibly taken. */
  readonly foreign: number;
}

/** `uncertain` were sent and not acknowledged: they may have arrived once, or not at all. */
export function judge(
  arrivals: Arrivals,
  acknowledged: ReadonlySet<string>,
  uncertain: ReadonlySet<string>,
): Judgement {
  let missing = 0;
  let repeated = 0;
  let foreign = 0;
  for (const id of acknowledged) if (!arrivals.has(id)) missing++;
  for (const [id, times] of arrivals) {
    if (times > 1) repeated++;
    if (!acknowledged.has(id) && !uncertain.has(id)) foreign++;
  }
  return { missing, repeated, foreign };
}
