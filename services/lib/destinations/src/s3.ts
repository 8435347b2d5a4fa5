import { Secret } from '@trailpush/core';

import { type Conf, invalidConf, knownParams, printable, requiredParam } from './conf.ts';
import type { DestinationKind, OpenableDestination } from './kind.ts';
import { parsePathTemplate } from './object-key.ts';
import { type DestinationPolicy, type NetworkTarget, parseTarget } from './policy.ts';
import type { S3Access } from './s3-client.ts';
import { openS3Put } from './s3-put.ts';
import { openS3Source } from './s3-read.ts';

const PARAMS = ['region', 'endpoint', 'access-key-id', 'secret-access-key', 'sse'];

/** `s3://bucket[/path]?region=R&access-key-id=&secret-access-key=[&endpoint=HOST][&sse=AES256]`: AWS, or any store that speaks S3. */
export const s3: DestinationKind = { scheme: 's3', parse };

function parse(conf: Conf, policy: DestinationPolicy): OpenableDestination {
  const params = knownParams(conf, PARAMS);
  const access = parseAccess(conf, params, policy);
  const { bucket, target, isAws } = access;
  const pathTemplate = parsePathTemplate(conf.path);
  const credentials = parseCredentials(params, ' (a bucket policy without keys is not supported)');
  const encrypted = parseSse(params.get('sse'));
  return {
    kind: 's3',
    location: isAws ? `s3://${bucket}` : `s3://${target.url.host}/${bucket}`,
    pathTemplate,
    exactlyOnce: true,
    secrets: [credentials.secretAccessKey],
    open: (deps) => openS3Put({ ...access, credentials, encrypted }, deps),
    openSource: (deps) => openS3Source({ ...access, credentials, encrypted }, pathTemplate, deps),
  };
}

/** A conf to read with. Keys that it does not name come from the environment, as the AWS SDK looks for them. */
export function parseS3Reading(conf: Conf, policy: DestinationPolicy): S3Access {
  const params = knownParams(conf, PARAMS);
  const access = parseAccess(conf, params, policy);
  return params.has('access-key-id') || params.has('secret-access-key')
    ? { ...access, credentials: parseCredentials(params) }
    : access;
}

function parseAccess(
  conf: Conf,
  params: ReadonlyMap<string, string>,
  policy: DestinationPolicy,
): S3Access {
  const bucket = parseBucket(conf.authority);
  const region = requiredParam(params, 'region');
  const endpoint = params.get('endpoint');
  const target =
    endpoint === undefined
      ? awsEndpoint(region, policy)
      : foreignEndpoint(endpoint, region, policy);
  return { target, region, bucket, isAws: endpoint === undefined };
}

/** True for SSE-S3, the only encryption that Logpush can ask for. */
function parseSse(sse: string | undefined): boolean {
  if (sse !== undefined && sse !== 'AES256') {
    throw invalidConf(`sse ${printable(sse)} is not supported: it can only be AES256`);
  }
  return sse !== undefined;
}

function awsEndpoint(region: string, policy: DestinationPolicy): NetworkTarget {
  // It becomes part of a host name.
  if (!/^[a-z]{2,4}(?:-[a-z]+){1,3}-\d{1,2}$/.test(region)) {
    throw invalidConf(`region ${printable(region)} is not a region of AWS such as us-east-1`);
  }
  if (region.startsWith('cn-')) {
    throw invalidConf(`region ${region} needs endpoint=s3.${region}.amazonaws.com.cn`);
  }
  return parseTarget(`https://s3.${region}.amazonaws.com`, 'region', policy);
}

function foreignEndpoint(
  endpoint: string,
  region: string,
  policy: DestinationPolicy,
): NetworkTarget {
  if (!/^[a-z0-9-]{1,40}$/.test(region)) {
    throw invalidConf(`region ${printable(region)} may only hold a-z, 0-9 and hyphens`);
  }
  const address = /^https?:\/\//i.test(endpoint) ? endpoint : `https://${endpoint}`;
  const target = parseTarget(address, 'endpoint', policy);
  if (target.url.pathname !== '/' || /[?#]/.test(address)) {
    throw invalidConf('endpoint must be a host without bucket or path, such as s3.example.com');
  }
  return target;
}

/** @throws InvalidDestinationError unless `bucket` follows the naming rules of S3. */
export function parseBucket(bucket: string): string {
  if (bucket === '') throw invalidConf('bucket must be provided, as in s3://bucket/path');
  const problem = bucketProblem(bucket);
  if (problem !== undefined) throw invalidConf(`bucket ${printable(bucket)} ${problem}`);
  return bucket;
}

function bucketProblem(bucket: string): string | undefined {
  if (bucket.length < 3 || bucket.length > 63) return 'must have 3 to 63 characters';
  if (!/^[a-z0-9.-]+$/.test(bucket)) return 'may only hold a-z, 0-9, dots and hyphens';
  if (!/^[a-z0-9].*[a-z0-9]$/.test(bucket)) return 'must begin and end with a letter or digit';
  if (/\.\.|\.-|-\./.test(bucket)) return 'has a dot beside a dot or a hyphen';
  if (/^\d+\.\d+\.\d+\.\d+$/.test(bucket)) return 'looks like an IP address';
  return undefined;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
}

/** @throws InvalidDestinationError; `remark` follows "access-key-id must be provided". */
export function parseCredentials(params: ReadonlyMap<string, string>, remark = ''): S3Credentials {
  const accessKeyId = params.get('access-key-id') ?? '';
  if (accessKeyId === '') throw invalidConf(`access-key-id must be provided${remark}`);
  const secretAccessKey = requiredParam(params, 'secret-access-key');
  // It is written into the Authorization header.
  if (!/^[\w.+=@:~-]{1,128}$/.test(accessKeyId)) {
    throw invalidConf('access-key-id has characters that no access key has');
  }
  if (!/^[\x21-\x7e]{1,256}$/.test(secretAccessKey)) {
    throw invalidConf('secret-access-key has characters that no secret key has');
  }
  return { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
}
