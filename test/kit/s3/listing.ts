import type { Bucket } from './fake-s3.ts';
import { escapeXml } from './s3-error.ts';

const MAX_KEYS = 1_000;
const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';

export function listBuckets(names: Iterable<string>): string {
  const buckets = [...names].map((name) => `<Bucket><Name>${escapeXml(name)}</Name></Bucket>`);
  return `${HEAD}<ListAllMyBucketsResult><Buckets>${buckets.join('')}</Buckets></ListAllMyBucketsResult>`;
}

/** ListObjectsV2: prefix, start-after and paging; no delimiter. */
export function listObjects(name: string, bucket: Bucket, params: URLSearchParams): string {
  const prefix = params.get('prefix') ?? '';
  const after = params.get('continuation-token') ?? params.get('start-after') ?? '';
  const limit = Math.min(Number(params.get('max-keys') ?? MAX_KEYS), MAX_KEYS);
  const encode = params.get('encoding-type') === 'url' ? encodeURIComponent : escapeXml;
  const keys = [...bucket.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
  const page = keys.slice(0, limit);
  const isTruncated = keys.length > page.length;
  const contents = page.map((key) => {
    const object = bucket.get(key)!;
    return `<Contents><Key>${encode(key)}</Key><LastModified>${new Date(object.modifiedMs).toISOString()}</LastModified><ETag>${escapeXml(object.etag)}</ETag><Size>${object.body.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
  });
  const next = isTruncated
    ? `<NextContinuationToken>${escapeXml(page.at(-1) ?? '')}</NextContinuationToken>`
    : '';
  return `${HEAD}<ListBucketResult><Name>${escapeXml(name)}</Name><Prefix>${encode(prefix)}</Prefix><KeyCount>${page.length}</KeyCount><MaxKeys>${limit}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`;
}
