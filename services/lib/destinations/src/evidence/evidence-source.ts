/** Reading what lies at a destination: a folder, or a bucket that speaks S3. */
import { constants } from 'node:fs';
import { lstat, open, opendir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';

import { GetObjectCommand, ListObjectsV2Command, NoSuchKey } from '@aws-sdk/client-s3';
import { ConfigError, messageOf, TrailpushError, type Logger } from '@trailpush/core';

import { splitConf } from '../conf.ts';
import { parsePathTemplate } from '../object-key.ts';
import type { DestinationPolicy } from '../policy.ts';
import { parseR2 } from '../r2.ts';
import { createS3Client, type S3Access } from '../s3-client.ts';
import { parseS3Reading } from '../s3.ts';

export interface FoundObject {
  /** Below the place, with slashes. */
  readonly key: string;
  readonly modifiedMs: number;
}

/** What lies at one place. @throws SourceError when the place cannot be read */
export interface EvidenceSource {
  /** For people; no secrets. */
  readonly name: string;
  /** Everything below `folder`, which is empty or ends with a slash. */
  list(folder: string): AsyncIterable<FoundObject>;
  /** Undefined: there is no such object. */
  read(key: string): Promise<Readable | undefined>;
  close(): void;
}

/** The place cannot be read, for a reason that says nothing about what lies there. */
export class SourceError extends TrailpushError {}

/**
 * Opens a folder, `s3://bucket/prefix?region=...` or `r2://...`, as a destination_conf has it; without keys, those of
 * the environment are used.
 * @throws ConfigError, InvalidDestinationError
 */
export async function openEvidenceSource(
  place: string,
  deps: { readonly policy: DestinationPolicy; readonly logger: Logger },
): Promise<EvidenceSource> {
  if (!/^[a-z0-9]+:\/\//i.test(place)) return openFolder(place);
  const conf = splitConf(place);
  const { scheme } = conf;
  if (scheme !== 's3' && scheme !== 'r2') {
    throw new ConfigError(
      `${scheme}:// cannot be read: name a folder, s3://bucket/prefix?region=... or r2://..., or copy the objects to a folder first`,
    );
  }
  const access = scheme === 's3' ? parseS3Reading(conf, deps.policy) : parseR2(conf, deps.policy);
  return openBucket(access, parsePathTemplate(conf.path), deps.logger);
}

async function openFolder(path: string): Promise<EvidenceSource> {
  const root = resolve(path);
  const found = await stat(root).catch(() => undefined);
  if (!found?.isDirectory()) throw new ConfigError(`there is no folder ${root}`);
  return {
    name: root,
    list: (folder) => walk(root, folder),
    read: async (key) => {
      try {
        // Neither out of the folder nor into a pipe that nobody writes to.
        const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
        const handle = await open(join(root, key), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        if ((await handle.stat()).isFile()) return handle.createReadStream();
        await handle.close();
        return undefined;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (NO_FILE.has(code)) return undefined;
        throw new SourceError(`cannot read ${join(root, key)} (${messageOf(error)})`);
      }
    },
    close: () => undefined,
  };
}

/** Also what is no file: a link, a folder, a socket. */
const NO_FILE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO']);

async function* walk(root: string, folder: string): AsyncGenerator<FoundObject, void, void> {
  let entries;
  try {
    entries = await opendir(join(root, folder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new SourceError(`cannot list ${join(root, folder)} (${messageOf(error)})`);
  }
  for await (const entry of entries) {
    const key = `${folder}${entry.name}`;
    if (entry.isDirectory()) {
      yield* walk(root, `${key}/`);
      continue;
    }
    const found = await lstat(join(root, key)).catch(() => undefined);
    if (found) yield { key, modifiedMs: found.mtimeMs };
  }
}

/** Requests of one read; the SDK waits in between. */
const MAX_ATTEMPTS = 5;

function openBucket(access: S3Access, folder: string, logger: Logger): EvidenceSource {
  const { bucket } = access;
  const client = createS3Client(access, { logger, maxAttempts: MAX_ATTEMPTS });
  const prefix = folder === '' ? '' : `${folder}/`;
  const name = `bucket ${bucket}${folder === '' ? '' : ` below ${folder}`}`;
  const explain = (error: unknown) => new SourceError(`cannot read ${name} (${wordsOf(error)})`);
  return {
    name,
    async *list(below) {
      let token: string | undefined;
      do {
        const page = await client
          .send(
            new ListObjectsV2Command({
              ...{ Bucket: bucket, Prefix: `${prefix}${below}` },
              ...(token === undefined ? {} : { ContinuationToken: token }),
            }),
          )
          .catch((error: unknown) => {
            throw explain(error);
          });
        for (const { Key: key = '', LastModified: modified } of page.Contents ?? []) {
          yield { key: key.slice(prefix.length), modifiedMs: modified?.getTime() ?? 0 };
        }
        token = page.IsTruncated ? page.NextContinuationToken : undefined;
      } while (token !== undefined);
    },
    read: async (key) => {
      try {
        const object = new GetObjectCommand({ Bucket: bucket, Key: `${prefix}${key}` });
        const { Body: body } = await client.send(object);
        return body as Readable;
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw explain(error);
      }
    },
    close: () => client.destroy(),
  };
}

/** The SDK's own words may be empty; the name then says it. */
function wordsOf(error: unknown): string {
  const message = messageOf(error);
  const name = error instanceof Error ? error.name : '';
  return message === '' || message === 'UnknownError' ? name : `${name}: ${message}`;
}
