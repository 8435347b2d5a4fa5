import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { S3Server } from './index.ts';
import { answersHttp, findProgram, freePort, ServerProcess } from './server-process.ts';

const run = promisify(execFile);
const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'ceph', 'radosgw-admin', 'monmaptool'];
const COMMAND_MS = 60_000;
const START_MS = 60_000;

/**
 * The S3 server of Ceph with one monitor and one store in memory, all on loopback and below a temporary
 * folder. Debian: `apt-get install radosgw ceph-mon ceph-osd ceph-common`.
 */
export async function startRadosgw(): Promise<S3Server | undefined> {
  for (const program of PROGRAMS) {
    if ((await findProgram(program)) === undefined) return undefined;
  }
  const cluster = new CephCluster(await mkdtemp(join(tmpdir(), 'trailpush-ceph-')));
  try {
    return await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

class CephCluster {
  readonly #folder: string;
  readonly #conf: string;
  readonly #keyring: string;
  readonly #servers: ServerProcess[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    this.#conf = join(folder, 'ceph.conf');
    this.#keyring = join(folder, 'keyring');
  }

  async start(): Promise<S3Server> {
    const monitorPort = await freePort();
    const port = await freePort();
    await this.#startMonitor(monitorPort);
    await this.#startStore();
    const endpoint = `http://127.0.0.1:${port}`;
    await this.#allow('client.rgw', ['mon', 'allow rw', 'osd', 'allow rwx']);
    const frontend = ['--rgw-frontends', `beast endpoint=127.0.0.1:${port}`];
    const gateway = this.#serve('radosgw', ['-f', '-n', 'client.rgw', ...frontend]);
    await gateway.ready(() => answersHttp(endpoint), START_MS);
    const keys = { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret/of+a=test' };
    await this.#run('radosgw-admin', [
      ...['-n', 'client.rgw', 'user', 'create', '--uid=test', '--display-name=test'],
      ...[`--access-key=${keys.accessKeyId}`, `--secret=${keys.secretAccessKey}`],
    ]);
    const { stdout } = await this.#run('radosgw', ['--version']);
    return {
      endpoint,
      region: 'us-east-1',
      ...keys,
      description: `Ceph radosgw ${/\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? ''}`,
      stop: () => this.stop(),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #startMonitor(port: number): Promise<void> {
    const clusterId = randomUUID();
    const map = join(this.#folder, 'monmap');
    await writeFile(this.#conf, configuration(this.#folder, clusterId, port));
    const key = (name: string, ...caps: string[]): Promise<unknown> =>
      run('ceph-authtool', [this.#keyring, '--gen-key', '-n', name, ...caps]);
    await run('ceph-authtool', ['--create-keyring', this.#keyring]);
    await key('mon.', '--cap', 'mon', 'allow *');
    await key('client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *');
    const address = `[v2:127.0.0.1:${port}]`;
    await run('monmaptool', ['--create', '--fsid', clusterId, '--addv', 'a', address, map]);
    await mkdir(join(this.#folder, 'mon-a'));
    await this.#run('ceph-mon', ['--mkfs', '-i', 'a', '--monmap', map]);
    this.#serve('ceph-mon', ['-f', '-i', 'a']);
  }

  async #startStore(): Promise<void> {
    // With another UUID than the monitor knows, the store never comes up.
    const uuid = randomUUID();
    await this.#ceph('osd', 'new', uuid);
    await this.#allow('osd.0', ['mon', 'allow profile osd', 'osd', 'allow *']);
    await mkdir(join(this.#folder, 'osd-0'));
    await this.#run('ceph-osd', ['-i', '0', '--mkfs', '--osd-uuid', uuid]);
    const store = this.#serve('ceph-osd', ['-f', '-i', '0']);
    await store.ready(async () => /\b1 up\b/.test(await this.#ceph('osd', 'stat')), START_MS);
  }

  async #allow(name: string, caps: readonly string[]): Promise<void> {
    await appendFile(this.#keyring, await this.#ceph('auth', 'get-or-create', name, ...caps));
  }

  async #ceph(...args: readonly string[]): Promise<string> {
    return (await this.#run('ceph', ['--connect-timeout', '30', ...args])).stdout;
  }

  #run(program: string, args: readonly string[]): Promise<{ stdout: string }> {
    return run(program, ['-c', this.#conf, '-k', this.#keyring, ...args], { timeout: COMMAND_MS });
  }

  #serve(program: string, args: readonly string[]): ServerProcess {
    const logFile = join(this.#folder, `${program}.log`);
    const server = new ServerProcess(program, ['-c', this.#conf, '-k', this.#keyring, ...args], {
      logFile,
    });
    this.#servers.unshift(server);
    return server;
  }
}

function configuration(folder: string, clusterId: string, monitorPort: number): string {
  return `[global]
fsid = ${clusterId}
mon host = [v2:127.0.0.1:${monitorPort}]
public addr = 127.0.0.1
run dir = ${folder}
admin socket = ${folder}/$name.$pid.asok
log file = ${folder}/$name.log
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
mon data = ${folder}/mon-a
mon allow pool size one = true
osd data = ${folder}/osd-0
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
`;
}
