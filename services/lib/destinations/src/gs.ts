import { Secret } from '@trailpush/core';

import { type Conf, invalidConf, knownParams, printable } from './conf.ts';
import { gcsUpload } from './gcs-upload.ts';
import type { DestinationKind, OpenableDestination } from './kind.ts';
import { parsePathTemplate } from './object-key.ts';
import { type DestinationPolicy, parseTarget } from './policy.ts';
import { parseServiceAccount, type ServiceAccount } from './service-account.ts';
import { openStorePut } from './store-put.ts';

/** `gs://bucket[/path][?credentials=base64:..]`: Google Cloud Storage, as a service account. */
export const gs: DestinationKind = { scheme: 'gs', parse };

function parse(conf: Conf, policy: DestinationPolicy): OpenableDestination {
  const params = knownParams(conf, ['credentials']);
  const bucket = parseGcsBucket(conf.authority);
  const pathTemplate = parsePathTemplate(conf.path);
  const account = accountOf(params.get('credentials'), policy);
  const target = parseTarget('https://storage.googleapis.com', 'the address', policy);
  return {
    kind: 'gs',
    location: `gs://${bucket}`,
    pathTemplate,
    exactlyOnce: true,
    secrets: account.secrets,
    open: (deps) => openStorePut(target, gcsUpload(target, bucket, account), deps),
  };
}

/**
 * The conf's own account, written as Logpush writes that of `bq://`: `base64:` and the JSON of its key.
 * Else the operator's, as Logpush has one of its own that customers admit to their buckets.
 */
function accountOf(credentials: string | undefined, policy: DestinationPolicy): ServiceAccount {
  if (credentials === undefined) {
    if (policy.googleKey !== undefined) return parseServiceAccount(policy.googleKey.reveal());
    throw invalidConf(
      'credentials must be provided, as credentials=base64: and the JSON key of a service account in base64; or an operator can give one for all jobs with TRAILPUSH_GOOGLE_KEY_FILE',
    );
  }
  const [, base64] = /^base64:([A-Za-z0-9+/_-]+={0,2})$/.exec(credentials) ?? [];
  if (base64 === undefined) {
    throw invalidConf(
      'credentials must be base64: and the JSON key of a service account in base64',
    );
  }
  const account = parseServiceAccount(Buffer.from(base64, 'base64').toString());
  return { ...account, secrets: [...account.secrets, new Secret(base64)] };
}

function parseGcsBucket(bucket: string): string {
  if (bucket === '') throw invalidConf('bucket must be provided, as in gs://bucket/path');
  const labels = bucket.split('.');
  const fits = labels.every((label) => /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/.test(label));
  if (!fits || bucket.length < 3 || bucket.length > 222 || /^[\d.]+$/.test(bucket)) {
    throw invalidConf(
      `bucket ${printable(bucket)} must have 3 to 63 characters of a-z, 0-9, hyphens, underscores and dots, with a letter or digit at both ends`,
    );
  }
  return bucket;
}
