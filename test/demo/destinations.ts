import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { HttpReceiver } from '../kit/http-receiver.ts';
import { FakeS3 } from '../kit/s3/fake-s3.ts';
import type { Row } from './screen.ts';

/** One object as it arrived. */
interface Arrived {
  readonly name: string;
  readonly atMs: number;
  body(): Uint8Array;
}

/** A local destination that the demo can look into. */
export class DemoDestination {
  readonly name: string;
  /** `destination_conf` of the job. */
  readonly conf: string;
  /** For the user. */
  readonly where: string;
  readonly #list: () => Iterable<Arrived>;
  readonly #seen = new Set<string>();
  /** By event id: how often it arrived, and when first. */
  readonly #events = new Map<string, { times: number; atMs: number }>();
  #bytes = 0;

  constructor(at: { name: string; conf: string; where: string; list: () => Iterable<Arrived> }) {
    this.name = at.name;
    this.conf = at.conf;
    this.where = at.where;
    this.#list = at.list;
  }

  /** Reads what is new. Returns how many different events have arrived. */
  look(): number {
    for (const object of this.#list()) {
      if (this.#seen.has(object.name)) continue;
      this.#seen.add(object.name);
      this.#count(object.body(), object.atMs);
    }
    return this.#events.size;
  }

  verify(ids: readonly string[], sentAtMs: Float64Array): Row {
    const delaysMs: number[] = [];
    let exactlyOnce = 0;
    for (const [index, id] of ids.entries()) {
      const event = this.#events.get(id);
      if (event?.times === 1) exactlyOnce++;
      if (event) delaysMs.push(event.atMs - (sentAtMs[index] ?? 0));
    }
    delaysMs.sort((a, b) => a - b);
    const repeated = [...this.#events.values()].filter(({ times }) => times > 1).length;
    return {
      destination: this.name,
      objects: this.#seen.size,
      wireMegabytes: this.#bytes / 1e6,
      exactlyOnce,
      missing: ids.length - delaysMs.length,
      repeated,
      medianDelayMs: delaysMs[Math.floor(delaysMs.length / 2)] ?? Number.NaN,
      maxDelayMs: delaysMs.at(-1) ?? Number.NaN,
    };
  }

  #count(body: Uint8Array, atMs: number): void {
    this.#bytes += body.length;
    for (const line of gunzipSync(body).toString().split('\n')) {
      if (line === '') continue;
      const event = JSON.parse(line) as { AuditLogID: string; ActorID: string };
      // What the program itself says about the jobs that were created here with the admin token.
      if (event.ActorID === 'admin') continue;
      this.#countEvent(event.AuditLogID, atMs);
    }
  }

  #countEvent(id: string, atMs: number): void {
    const event = this.#events.get(id);
    if (event) event.times++;
    else this.#events.set(id, { times: 1, atMs });
  }
}

/** What the creation of the job has sent, to see that somebody is there. */
function isTestUpload(idempotencyKey: string): boolean {
  return idempotencyKey.startsWith('"test-');
}

/** A folder, an S3 endpoint and an HTTP receiver, all on this machine. */
export async function openDestinations(fileRoot: string): Promise<readonly DemoDestination[]> {
  const s3 = await FakeS3.start();
  const bucket = s3.createBucket('audit');
  const receiver = await HttpReceiver.start();
  const keys = `access-key-id=${s3.accessKeyId}&secret-access-key=${encodeURIComponent(s3.secretAccessKey)}`;
  return [
    new DemoDestination({
      name: 'files',
      conf: 'file://demo/{DATE}',
      where: join(fileRoot, 'demo'),
      *list() {
        for (const file of globSync('demo/**/*.log.gz', { cwd: fileRoot })) {
          const path = join(fileRoot, file);
          yield { name: file, atMs: statSync(path).mtimeMs, body: () => readFileSync(path) };
        }
      },
    }),
    new DemoDestination({
      name: 's3',
      conf: `s3://audit/demo/{DATE}?region=${s3.region}&endpoint=${s3.endpoint}&${keys}`,
      where: `${s3.endpoint}/audit?list-type=2`,
      *list() {
        for (const [name, object] of bucket) {
          if (!name.endsWith('.log.gz')) continue;
          yield { name, atMs: object.modifiedMs, body: () => object.body };
        }
      },
    }),
    new DemoDestination({
      name: 'http',
      conf: `${receiver.origin}/audit`,
      where: `${receiver.origin} got the requests in memory`,
      *list() {
        for (const { headers, body, receivedAtMs: atMs } of receiver.received) {
          // Repeats carry the same key, so that a receiver can count them once, as this one does.
          const name = String(headers['idempotency-key']);
          if (!isTestUpload(name)) yield { name, atMs, body: () => body };
        }
      },
    }),
  ];
}
