import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpReceiver } from '../kit/http-receiver.ts';
import { FakeS3, type Bucket } from '../kit/s3/fake-s3.ts';
import { FolderReader, judge, type Arrivals, type Reader } from '../kit/system/arrivals.ts';
import { createJob } from '../kit/system/client.ts';
import { Load } from '../kit/system/load.ts';
import { eventually, Program } from '../kit/system/program.ts';
import { report } from './table.ts';

const SOON = { max_upload_interval_seconds: 1 };

/** One running program with the embedded log, for rows that each have an account of their own. */
export class FaultWorld {
  readonly folder: string;
  readonly program: Program;
  readonly #closers: (() => Promise<void>)[] = [];

  private constructor(folder: string, program: Program) {
    this.folder = folder;
    this.program = program;
  }

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<FaultWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'trailpush-faults-'));
    mkdirSync(join(folder, 'out'));
    const program = await Program.start({ command: 'up', dataFolder: folder, environment });
    return new FaultWorld(folder, program);
  }

  async stop(): Promise<void> {
    await this.program.kill();
    await Promise.all(this.#closers.map((close) => close()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  async receiver(options?: Parameters<typeof HttpReceiver.start>[0]): Promise<HttpReceiver> {
    const receiver = await HttpReceiver.start(options);
    this.#closers.push(() => receiver.stop().catch(() => undefined));
    return receiver;
  }

  /** An S3 server of its own, whose faults hit nobody else. */
  async bucket(): Promise<{ s3: FakeS3; bucket: Bucket; conf: string }> {
    const s3 = await FakeS3.start();
    this.#closers.push(() => s3.stop());
    const keys = `access-key-id=${s3.accessKeyId}&secret-access-key=${encodeURIComponent(s3.secretAccessKey)}`;
    const conf = `s3://audit/{DATE}?region=us-east-1&endpoint=${s3.endpoint}&${keys}`;
    return { s3, bucket: s3.createBucket('audit'), conf };
  }

  /** A job to files, to compare others with. */
  async files(account: string): Promise<FolderReader> {
    await this.job(account, `file://${account}/{DATE}`, { name: 'files' });
    return new FolderReader(join(this.folder, 'out', account));
  }

  job(
    account: string,
    conf: string,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<number> {
    const job = { name: 'job', destination_conf: conf, ...SOON, ...more };
    return createJob(this.program.url, account, job);
  }

  load(account: string): Load {
    return new Load([this.program.url], account);
  }
}

export const isComplete = (arrivals: Arrivals, load: Load): boolean =>
  [...load.acknowledged].every((id) => arrivals.has(id));

/**
 * Waits until everything that was acknowledged has arrived, and judges what arrived: nothing missing,
 * nothing foreign, nothing twice. The outcome goes into the table of the run.
 */
export async function expectExactly(
  row: number,
  load: Load,
  readers: readonly Reader[],
  withinMs = 90_000,
): Promise<void> {
  const judged = () =>
    readers.map((reader) => judge(reader.look(), load.acknowledged, load.uncertain));
  const sum = (key: 'missing' | 'repeated' | 'foreign') =>
    judged().reduce((total, judgement) => total + judgement[key], 0);
  try {
    await eventually(`row ${row}: every acknowledged event has arrived`, withinMs, () =>
      readers.every((reader) => isComplete(reader.look(), load)),
    );
  } finally {
    report(row, {
      events: load.acknowledged.size,
      missing: sum('missing'),
      repeated: sum('repeated'),
    });
  }
  const [repeated, foreign] = [sum('repeated'), sum('foreign')];
  if (repeated + foreign > 0)
    throw new Error(`row ${row}: ${repeated} events arrived twice, ${foreign} are foreign`);
}
