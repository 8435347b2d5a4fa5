import { Agent as HttpsAgent } from 'node:https';

import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Logger } from '@trailpush/core';

import { createGuardedAgent } from './address-guard.ts';
import type { NetworkTarget } from './policy.ts';
import type { S3Credentials } from './s3.ts';
import { STORE_LIMITS } from './store-put.ts';

const silent = (): void => undefined;
const SILENT = { debug: silent, info: silent, warn: silent, error: silent };

/** A bucket, and how to reach it. */
export interface S3Access {
  readonly target: NetworkTarget;
  readonly region: string;
  readonly bucket: string;
  /** Undefined: those of the environment. Only to read. */
  readonly credentials?: S3Credentials;
  /** AWS itself, or else a store that speaks S3. */
  readonly isAws: boolean;
}

/**
 * Everything that the SDK would else look up in the environment or in `~/.aws` is given here, so that
 * neither can move a destination; only credentials that a reader did not name are looked for there.
 */
export function createS3Client(
  { target, region, credentials, isAws }: S3Access,
  { logger, maxAttempts }: { readonly logger: Logger; readonly maxAttempts: number },
): S3Client {
  const agent = createGuardedAgent(target, STORE_LIMITS, logger);
  return new S3Client({
    endpoint: target.url.origin,
    region,
    ...(credentials && {
      credentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: credentials.secretAccessKey.reveal(),
      },
    }),
    forcePathStyle: !isAws,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Our own loop owns retries of puts; else they multiply.
    maxAttempts,
    retryMode: 'standard',
    // R2 does not answer "100 Continue": the SDK would wait 6 s for it.
    expectContinueHeader: false,
    requestHandler: new NodeHttpHandler(
      agent instanceof HttpsAgent ? { httpsAgent: agent } : { httpAgent: agent },
    ),
    authSchemePreference: ['aws.auth#sigv4'],
    defaultsMode: 'standard',
    disableS3ExpressSessionAuth: true,
    useArnRegion: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    userAgentAppId: 'Trailpush',
    // Without a logger the SDK writes to the console, and with one it logs requests with their headers.
    logger: SILENT,
  });
}
