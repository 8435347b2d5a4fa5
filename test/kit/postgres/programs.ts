import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chownSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import type { TestPostgres } from '../postgres.ts';
import { freePort, waitUntilReady } from './ready.ts';

/** Where Debian and its kin keep them, apart from PATH. */
const VERSIONS_FOLDER = '/usr/lib/postgresql';
const STOP_TIMEOUT_MS = 15_000;
/**
 * Ends the server when this process ends, however it does: descriptor 3 closes then. SIGQUIT is the
 * server's order to end at once.
 */
const WATCHED = `"$@" 3<&- & server=$!
  { read end <&3; trap '' TERM; kill -QUIT $server
    while kill -0 $server; do sleep 0.1; done; rm -rf "$PWD"; } 2>/dev/null &
  wait $server; kill $!`;

/** A server in a temporary folder, from `initdb` and `postgres` on this machine. */
export async function startPostgresPrograms(
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresPrograms | { readonly unavailable: string }> {
  const programs = findPrograms();
  if (programs === undefined)
    return { unavailable: 'no programs initdb, postgres and pg_basebackup' };
  const user = unprivilegedUser();
  if (user === 'none') {
    return { unavailable: 'PostgreSQL refuses to run as root, and there is no user postgres' };
  }
  const server = new PostgresPrograms(programs, user, await freePort(), settings);
  try {
    server.initialize();
    await server.restart();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

function findPrograms(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  try {
    const versions = readdirSync(VERSIONS_FOLDER).sort((a, b) => Number(b) - Number(a));
    folders.push(...versions.map((version) => join(VERSIONS_FOLDER, version, 'bin')));
  } catch {
    // Not Debian.
  }
  return folders.find((folder) =>
    ['initdb', 'postgres', 'pg_basebackup'].every((program) => isExecutable(join(folder, program))),
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Who the server runs as: undefined means ourselves. */
function unprivilegedUser(): User | undefined | 'none' {
  if (process.getuid?.() !== 0) return undefined;
  const line = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  return line === null ? 'none' : { uid: Number(line[1]), gid: Number(line[2]) };
}

export class PostgresPrograms implements TestPostgres {
  readonly url: string;
  readonly #programs: string;
  readonly #user: User | undefined;
  readonly #port: number;
  readonly #settings: readonly string[];
  readonly #folder = mkdtempSync(join(tmpdir(), 'trailpush-postgres-'));
  readonly #password: string;
  #version = '';
  #server: ChildProcess | undefined;

  constructor(
    programs: string,
    user: User | undefined,
    port: number,
    settings: Readonly<Record<string, string>>,
    password = randomBytes(16).toString('hex'),
  ) {
    this.#password = password;
    this.#programs = programs;
    this.#settings = [
      ...['listen_addresses=127.0.0.1', 'unix_socket_directories='],
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
    ];
    this.#user = user;
    this.#port = port;
    this.url = `postgres://postgres:${this.#password}@127.0.0.1:${port}/postgres`;
  }

  get description(): string {
    return `PostgreSQL ${this.#version} (programs of this machine)`;
  }

  initialize(): void {
    const passwordFile = join(this.#folder, 'password');
    writeFileSync(passwordFile, this.#password);
    for (const path of this.#user ? [this.#folder, passwordFile] : []) {
      chownSync(path, this.#user!.uid, this.#user!.gid);
    }
    const options = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
    this.#run('initdb', ['--encoding=UTF8', '--no-locale', '--no-sync', ...options]);
  }

  /** Another server, which follows this one and takes no writes. */
  async replicate(): Promise<TestPostgres> {
    const port = await freePort();
    const replica = new PostgresPrograms(this.#programs, this.#user, port, {}, this.#password);
    try {
      if (this.#user) chownSync(replica.#folder, this.#user.uid, this.#user.gid);
      const options = ['--write-recovery-conf', '--checkpoint=fast', '--no-sync'];
      replica.#run('pg_basebackup', [...options, `--dbname=${this.url}`]);
      await replica.restart();
    } catch (error) {
      await replica.stop();
      throw error;
    }
    return replica;
  }

  #run(program: string, options: readonly string[]): void {
    const { status, stdout, stderr, error } = spawnSync(
      join(this.#programs, program),
      ['--pgdata=data', ...options],
      { cwd: this.#folder, encoding: 'utf8', ...this.#user },
    );
    if (error) throw error;
    if (status !== 0) throw new Error(`${program} has failed: ${stdout}${stderr}`);
  }

  async restart(): Promise<void> {
    await this.#end('SIGINT');
    const output = openSync(join(this.#folder, 'output.txt'), 'a');
    const command = [join(this.#programs, 'postgres'), '-D', 'data', '-p', String(this.#port)];
    const server = spawn(
      '/bin/sh',
      ['-c', WATCHED, 'sh', ...command, ...this.#settings.flatMap((setting) => ['-c', setting])],
      { cwd: this.#folder, stdio: ['ignore', output, output, 'pipe'], ...this.#user },
    );
    closeSync(output);
    this.#server = server;
    try {
      this.#version = await waitUntilReady(this.url, () => server.exitCode === null);
    } catch (error) {
      const tail = readFileSync(join(this.#folder, 'output.txt'), 'utf8').slice(-8_000);
      throw new Error(`${String(error)}\nOutput of the server:\n${tail}`, { cause: error });
    }
  }

  async kill(): Promise<void> {
    await this.#end('SIGQUIT');
  }

  async stop(): Promise<void> {
    await this.#end('SIGQUIT');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined || server.exitCode !== null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    const processId = Number(
      readFileSync(join(this.#folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0],
    );
    const impatience = setTimeout(() => process.kill(processId, 'SIGQUIT'), STOP_TIMEOUT_MS);
    process.kill(processId, signal);
    await ended;
    clearTimeout(impatience);
  }
}
