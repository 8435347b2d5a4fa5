import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { access, constants, readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const STOP_MS = 5_000;

/** The full path of a program, as a shell would find it. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (folder !== '' && isThere) return path;
  }
  return undefined;
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A program that runs until it is stopped, or until this process ends. Its output goes to `logFile`. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #kill = (): void => void this.#child.kill('SIGKILL');

  constructor(
    program: string,
    args: readonly string[],
    options: { readonly logFile: string; readonly env?: NodeJS.ProcessEnv },
  ) {
    this.#logFile = options.logFile;
    this.#child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    const log = createWriteStream(options.logFile);
    this.#child.stdout?.pipe(log, { end: false });
    this.#child.stderr?.pipe(log, { end: false });
    this.#child.once('error', () => undefined);
    process.once('exit', this.#kill);
  }

  /**
   * Waits until `isReady` holds.
   * @throws Error with the last lines of output when the program ends, or after `ms`
   */
  async ready(isReady: () => Promise<boolean>, ms: number): Promise<void> {
    const deadline = Date.now() + ms;
    while (!(await isReady())) {
      const ended = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (ended || Date.now() > deadline) {
        const output = await readFile(this.#logFile, 'utf8').catch(() => '');
        const problem = ended ? 'ended' : `was not ready within ${ms} ms`;
        throw new Error(`${this.#child.spawnfile} ${problem}: ${output.slice(-1_000)}`);
      }
      await delay(50);
    }
  }

  async stop(): Promise<void> {
    process.off('exit', this.#kill);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(this.#kill, STOP_MS);
    await exited;
    clearTimeout(timer);
  }
}

/** True when something answers HTTP there, whatever its status. */
export async function answersHttp(url: string): Promise<boolean> {
  return fetch(url).then(
    async (response) => {
      await response.body?.cancel();
      return response.status < 500;
    },
    () => false,
  );
}
