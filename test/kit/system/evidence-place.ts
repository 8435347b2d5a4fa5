import {
  cpSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { S3Server } from '../s3/index.ts';

/** Where objects and their digests lie, for tests that read them by themselves and tamper with them. */
export interface EvidencePlace {
  /** As `trailpush verify` takes it. */
  readonly name: string;
  keys(): Promise<readonly string[]>;
  read(key: string): Promise<Buffer>;
  write(key: string, body: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
  /** All of it once more elsewhere, for as long as the test lasts. */
  copy(): Promise<EvidencePlace>;
}

const YEAR_MS = 365 * 86_400_000;

/** What is written here looks a year old. */
export function folderPlace(root: string, onEnd: (clean: () => void) => void): EvidencePlace {
  return {
    name: root,
    keys: async () =>
      globSync('**/*', { cwd: root, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
    read: async (key) => readFileSync(join(root, key)),
    write: async (key, body) => {
      writeFileSync(join(root, key), body);
      const then = new Date(Date.now() - YEAR_MS);
      utimesSync(join(root, key), then, then);
    },
    remove: async (key) => rmSync(join(root, key)),
    copy: async () => {
      const other = mkdtempSync(join(tmpdir(), 'trailpush-evidence-'));
      onEnd(() => rmSync(other, { recursive: true }));
      cpSync(root, other, { recursive: true, preserveTimestamps: true });
      return folderPlace(other, onEnd);
    },
  };
}

let copies = 0;

/** The objects of a bucket below a prefix. */
export function bucketPlace(
  server: S3Server & { readonly client: S3Client },
  Bucket: string,
  prefix: string,
): EvidencePlace {
  const { client } = server;
  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    let token: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({
          ...{ Bucket, Prefix: `${prefix}/` },
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      );
      for (const { Key = '' } of page.Contents ?? []) found.push(Key.slice(prefix.length + 1));
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return found;
  };
  const at = (key: string) => ({ Bucket, Key: `${prefix}/${key}` });
  return {
    name: confOf(server, `${Bucket}/${prefix}`),
    keys,
    read: async (key) => {
      const { Body } = await client.send(new GetObjectCommand(at(key)));
      return Buffer.from(await Body!.transformToByteArray());
    },
    write: async (key, Body) => {
      await client.send(new PutObjectCommand({ ...at(key), Body }));
    },
    remove: async (key) => {
      await client.send(new DeleteObjectCommand(at(key)));
    },
    copy: async () => {
      const other = `copy-${++copies}`;
      for (const key of await keys()) {
        const CopySource = `${Bucket}/${prefix}/${key}`;
        await client.send(new CopyObjectCommand({ Bucket, Key: `${other}/${key}`, CopySource }));
      }
      return bucketPlace(server, Bucket, other);
    },
  };
}

/** A `destination_conf`. */
export function confOf(server: S3Server, path: string): string {
  const { region, endpoint, accessKeyId } = server;
  const query = new URLSearchParams({
    ...{ region, endpoint, 'access-key-id': accessKeyId },
    'secret-access-key': server.secretAccessKey,
  });
  return `s3://${path}?${query.toString()}`;
}
