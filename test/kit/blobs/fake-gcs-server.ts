import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { readBody } from '../read-body.ts';
import { answersHttp, findProgram, freePort, ServerProcess } from '../s3/server-process.ts';

const START_MS = 20_000;

/** Francisco Souza's emulator of Google Cloud Storage. It asks for no credentials. */
export interface FakeGcsServer {
  readonly origin: string;
  createBucket(name: string): Promise<void>;
  /** Every object of a bucket, with its description. */
  read(bucket: string): Promise<ReadonlyMap<string, { body: Buffer; resource: GcsResource }>>;
  stop(): Promise<void>;
}

export interface GcsResource {
  readonly name: string;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** From PATH alone: building it takes minutes. */
export async function startFakeGcsServer(): Promise<
  FakeGcsServer | { readonly unavailable: string }
> {
  const program = await findProgram('fake-gcs-server');
  if (program === undefined) {
    return {
      unavailable:
        'no fake-gcs-server on PATH: go install github.com/fsouza/fake-gcs-server@v1.56.1',
    };
  }
  const folder = await mkdtemp(join(tmpdir(), 'trailpush-gcs-'));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = new ServerProcess(
    program,
    [
      ...['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)],
      ...['-backend', 'memory', '-external-url', origin, '-public-host', `127.0.0.1:${port}`],
    ],
    { logFile: join(folder, 'log') },
  );
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await server.ready(() => answersHttp(`${origin}/storage/v1/b`), START_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return { origin, stop, ...bucketCalls(`${origin}/storage/v1/b`) };
}

/** As it lies there: `fetch` would unpack what says that its encoding is gzip, and so would the server. */
async function wireBodyOf(url: string): Promise<Buffer> {
  const request = get(url, { headers: { 'accept-encoding': 'gzip' } });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return readBody(response);
}

function bucketCalls(base: string): Pick<FakeGcsServer, 'createBucket' | 'read'> {
  const call = async (url: string, init: RequestInit = {}): Promise<Response> => {
    const response = await fetch(url, init);
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    return response;
  };
  return {
    async createBucket(name) {
      await call(base, { method: 'POST', body: JSON.stringify({ name }) });
    },
    async read(bucket) {
      const list = (await (await call(`${base}/${bucket}/o`)).json()) as { items?: GcsResource[] };
      const objects = (list.items ?? []).map(async (resource) => {
        const url = `${base}/${bucket}/o/${encodeURIComponent(resource.name)}?alt=media`;
        return [resource.name, { body: await wireBodyOf(url), resource }] as const;
      });
      return new Map(await Promise.all(objects));
    },
  };
}
