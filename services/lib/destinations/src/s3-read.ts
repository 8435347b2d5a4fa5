import { GetObjectCommand, ListObjectsV2Command, S3ServiceException } from '@aws-sdk/client-s3';
import { InvalidDestinationError, messageOf } from '@trailpush/core';

import type { DestinationDeps } from './kind.ts';
import { fixedFolder } from './object-key.ts';
import { isObjectName, type FoundObject, type ObjectSource } from './object-source.ts';
import { createS3Client } from './s3-client.ts';
import type { S3PutOptions } from './s3-put.ts';

/** Of one request. An object whose reading breaks off half-way is an error. */
const MAX_ATTEMPTS = 5;

/** The objects of a bucket below the folder of `pathTemplate`. */
export function openS3Source(
  options: S3PutOptions,
  pathTemplate: string,
  deps: DestinationDeps,
): ObjectSource {
  const { bucket } = options;
  const client = createS3Client(options, { ...deps, maxAttempts: MAX_ATTEMPTS });
  const folder = fixedFolder(pathTemplate);
  async function* list(): AsyncGenerator<FoundObject, void, void> {
    let token: string | undefined;
    do {
      const page = await told(bucket, () =>
        client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            ...(folder === '' ? {} : { Prefix: `${folder}/` }),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        ),
      );
      for (const { Key: name = '', Size: bytes = 0 } of page.Contents ?? []) {
        const below = folder === '' ? name : name.slice(folder.length + 1);
        if (below !== '' && isObjectName(below)) yield { name, bytes };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }
  async function* read(name: string): AsyncGenerator<Uint8Array, void, void> {
    const { Body: body } = await told(`${bucket}/${name}`, () =>
      client.send(new GetObjectCommand({ Bucket: bucket, Key: name })),
    );
    if (body !== undefined) yield* body as AsyncIterable<Uint8Array>;
  }
  return { list, read, close: () => client.destroy() };
}

/** What the store refuses, as an error with its words. What gave no answer is thrown as it is. */
async function told<Result>(place: string, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    throw new InvalidDestinationError(
      `${place} cannot be read: ${error.name}: ${messageOf(error)}; the credentials must allow to list the bucket and get its objects`,
    );
  }
}
