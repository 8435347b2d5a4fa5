import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';

export const TRAILPUSH = resolve(import.meta.dirname, '../../../services/cli/bin/trailpush.js');
export const ADMIN_TOKEN = 'test-admin-token';
const START_WITHIN_MS = 60_000;
/** What a failed test shows of the program's last words. */
const KEPT_OUTPUT_CHARS = 20_000;

export interface ProgramOptions {
  readonly command: 'up' | 'api' | 'batcher' | 'indexer';
  readonly dataFolder: string;
  /** Besides that events are kept for ever, as those of tests have fixed times. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The real program in a process of its own, on a port of its own, to be killed at will. */
export class Program {
  readonly url: string;
  readonly #options: ProgramOptions;
  readonly #port: number;
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(options: ProgramOptions, port: number) {
    this.#options = options;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(options: ProgramOptions): Promise<Program> {
    const program = new Program(options, await freePort());
    await program.start();
    return program;
  }

  /** Its last lines of output. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The most memory that was ever resident, as Linux counts it. */
  get peakResidentBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  }

  /** Starts it (again) and waits until it is ready. */
  async start(): Promise<void> {
    this.launch();
    await this.ready();
  }

  /** Starts it (again) without waiting. */
  launch(): void {
    const { command, dataFolder, environment } = this.#options;
    const child = spawn(process.execPath, [TRAILPUSH, command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        PORT: String(this.#port),
        TRAILPUSH_DATA: dataFolder,
        TRAILPUSH_FILE_ROOT: join(dataFolder, 'out'),
        TRAILPUSH_ADMIN_TOKEN: ADMIN_TOKEN,
        TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS: '127.0.0.0/8',
        TRAILPUSH_RELAX_LIMITS: '1',
        TRAILPUSH_API_RATE_LIMIT: '0',
        TRAILPUSH_AUDIT_RETENTION_MONTHS: '0',
        LOG_LEVEL: 'warn',
        ...environment,
      },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-KEPT_OUTPUT_CHARS);
      });
    }
    this.#child = child;
  }

  async ready(): Promise<void> {
    await eventually(`${this.#options.command} is ready`, START_WITHIN_MS, async () => {
      if (this.#child?.exitCode !== null) throw new Error(`it ended: ${this.#output}`);
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      return answer?.status === 200;
    });
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM. Resolves to the exit code. */
  async terminate(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const LOOK_AGAIN_MS = 100;

/** Waits until `look` gives true; what it throws is fatal. Says what it waited for when time runs out. */
export async function eventually(
  what: string,
  withinMs: number,
  look: () => Promise<boolean> | boolean,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
