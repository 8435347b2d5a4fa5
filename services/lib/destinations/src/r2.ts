import { type Conf, invalidConf, knownParams, requiredParam } from './conf.ts';
import type { DestinationKind, OpenableDestination } from './kind.ts';
import { parsePathTemplate } from './object-key.ts';
import { type DestinationPolicy, parseTarget } from './policy.ts';
import { parseBucket, parseCredentials } from './s3.ts';
import { openS3Put } from './s3-put.ts';
import { openS3Source } from './s3-read.ts';

const PARAMS = ['account-id', 'access-key-id', 'secret-access-key'];

/** `r2://bucket[/path]?account-id=&access-key-id=&secret-access-key=`: Cloudflare R2 through its S3 interface. */
export const r2: DestinationKind = { scheme: 'r2', parse };

function parse(conf: Conf, policy: DestinationPolicy): OpenableDestination {
  const pathTemplate = parsePathTemplate(conf.path);
  const access = parseR2(conf, policy);
  const { bucket, credentials } = access;
  return {
    kind: 'r2',
    location: `r2://${access.accountId}/${bucket}`,
    pathTemplate,
    exactlyOnce: true,
    secrets: [credentials.secretAccessKey],
    open: (deps) => openS3Put({ ...access, encrypted: false }, deps),
    openSource: (deps) => openS3Source({ ...access, encrypted: false }, pathTemplate, deps),
  };
}

/** The bucket of a conf, and how to reach it. */
export function parseR2(conf: Conf, policy: DestinationPolicy) {
  const params = knownParams(conf, PARAMS);
  const bucket = parseBucket(conf.authority);
  if (bucket.includes('.'))
    throw invalidConf(`bucket ${bucket} has a dot, which R2 does not allow`);
  const accountId = requiredParam(params, 'account-id');
  // It becomes part of a host name.
  if (!/^[0-9a-f]{32}$/.test(accountId)) {
    throw invalidConf('account-id must be 32 characters of 0-9 and a-f');
  }
  const credentials = parseCredentials(params);
  const target = parseTarget(`https://${accountId}.r2.cloudflarestorage.com`, 'account-id', policy);
  return { target, region: 'auto', bucket, credentials, isAws: false, accountId };
}
