import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { Certificate } from '../certificates.ts';
import { answersHttp, findProgram, freePort, ServerProcess } from '../s3/server-process.ts';

const VERSION = '3.37.0';
const START_MS = 60_000;
const HOUR_MS = 3_600_000;
const API_VERSION = '2023-11-03';

/** Microsoft's own emulator of Azure Blob Storage, over HTTPS, with one account. */
export interface Azurite {
  readonly origin: string;
  readonly account: string;
  /** A SAS for blobs of the account, with these permissions and resource types. */
  sas(permissions: string, resourceTypes: string, expiresInMs?: number): string;
  createContainer(name: string): Promise<void>;
  /** Every blob of a container with its headers. */
  read(container: string): Promise<ReadonlyMap<string, { body: Buffer; headers: Headers }>>;
  stop(): Promise<void>;
}

/** From PATH, else from npm, which takes half a minute once. */
export async function startAzurite(
  tls: Certificate,
): Promise<Azurite | { readonly unavailable: string }> {
  const program = (await findProgram('azurite-blob')) ?? (await installed());
  if (program === undefined) {
    const unavailable = 'no azurite-blob on PATH, and npm could not install azurite';
    if (process.env['CI'] === 'true') throw new Error(unavailable);
    return { unavailable };
  }
  const folder = await mkdtemp(join(tmpdir(), 'trailpush-azurite-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await writeFile(cert, tls.cert);
  await writeFile(key, tls.key);
  const port = await freePort();
  const account = 'testaccount';
  const accountKey = randomBytes(64).toString('base64');
  const server = new ServerProcess(
    program,
    [
      ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--cert', cert, '--key', key],
      ...['--inMemoryPersistence', '--disableTelemetry', '--silent'],
    ],
    { logFile: join(folder, 'log'), env: { AZURITE_ACCOUNTS: `${account}:${accountKey}` } },
  );
  const origin = `https://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await server.ready(() => answersHttp(origin), START_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  const sas = (permissions: string, resourceTypes: string, expiresInMs = HOUR_MS): string =>
    accountSas({ account, accountKey, permissions, resourceTypes, expiresInMs });
  return { origin, account, sas, stop, ...containerCalls(`${origin}/${account}`, sas) };
}

/** @see https://learn.microsoft.com/rest/api/storageservices/create-account-sas */
function accountSas(of: {
  account: string;
  accountKey: string;
  permissions: string;
  resourceTypes: string;
  expiresInMs: number;
}): string {
  const expiry = new Date(Date.now() + of.expiresInMs).toISOString().replace(/\.\d+/, '');
  const fields = [
    of.account,
    of.permissions,
    'b',
    of.resourceTypes,
    '',
    expiry,
    '',
    'https',
    API_VERSION,
    '',
  ];
  const sig = createHmac('sha256', Buffer.from(of.accountKey, 'base64'))
    .update(`${fields.join('\n')}\n`)
    .digest('base64');
  return `sv=${API_VERSION}&ss=b&srt=${of.resourceTypes}&sp=${of.permissions}&se=${expiry}&spr=https&sig=${encodeURIComponent(sig)}`;
}

function containerCalls(
  base: string,
  sas: Azurite['sas'],
): Pick<Azurite, 'createContainer' | 'read'> {
  const all = sas('rwlc', 'sco');
  const call = async (path: string, method = 'GET'): Promise<Response> => {
    const response = await fetch(`${base}/${path}&${all}`, { method });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  return {
    async createContainer(name) {
      await call(`${name}?restype=container`, 'PUT');
    },
    async read(container) {
      const list = await (await call(`${container}?restype=container&comp=list`)).text();
      const names = [...list.matchAll(/<Name>([^<]*)<\/Name>/g)].map(([, name]) =>
        (name ?? '').replace(/&(amp|lt|gt|quot|apos);/g, (entity) => ENTITIES.get(entity) ?? ''),
      );
      const blobs = await Promise.all(
        names.map(async (name) => {
          const path = name.split('/').map(encodeURIComponent).join('/');
          const response = await call(`${container}/${path}?x=1`);
          const body = Buffer.from(await response.arrayBuffer());
          return [name, { body, headers: response.headers }] as const;
        }),
      );
      return new Map(blobs);
    },
  };
}

const ENTITIES = new Map([
  ['&amp;', '&'],
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&quot;', '"'],
  ['&apos;', "'"],
]);

/** Complete or absent: two runs may come here at the same time. */
async function installed(): Promise<string | undefined> {
  const folder = join(import.meta.dirname, 'target', `azurite-${VERSION}`);
  const program = join(folder, 'node_modules', '.bin', 'azurite-blob');
  const isThere = (): Promise<boolean> =>
    access(program).then(
      () => true,
      () => false,
    );
  if (await isThere()) return program;
  await mkdir(dirname(folder), { recursive: true });
  const unfinished = await mkdtemp(`${folder}-`);
  await writeFile(join(unfinished, 'package.json'), '{"private":true}');
  const args = ['install', `azurite@${VERSION}`, '--ignore-scripts', '--no-audit', '--no-fund'];
  const child = spawn('npm', args, { cwd: unfinished, stdio: 'ignore' });
  const [code] = (await once(child, 'exit').catch(() => [1])) as [number | null];
  if (code === 0) await rename(unfinished, folder).catch(() => undefined);
  await rm(unfinished, { recursive: true, force: true });
  return (await isThere()) ? program : undefined;
}
