import { createHash, createVerify, type KeyObject } from 'node:crypto';

import type { ReceivedRequest, ReceiverAnswer } from './http-receiver.ts';

/**
 * What the documentation of Azure Blob Storage and Google Cloud Storage demands of an upload, and how they
 * answer one that falls short. `test/integration` has real servers beside them.
 */

const md5 = (body: Buffer): string => createHash('md5').update(body).digest('base64');

/** Put Blob with a shared access signature, which is only compared. */
export function azureVendor({ account, container, sig }: AzureAccount) {
  const prefix = `/${account}/${container}/`;
  const refuse = (status: number, code: string): ReceiverAnswer => ({
    status,
    headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>No.</Message></Error>`,
  });
  return {
    answer: ({ method, url, headers, body }: ReceivedRequest): ReceiverAnswer => {
      const { pathname, searchParams } = new URL(url, 'https://azure');
      if (searchParams.get('sig') !== sig) return refuse(403, 'AuthenticationFailed');
      if (!pathname.startsWith(prefix)) return refuse(404, 'ContainerNotFound');
      if (method !== 'PUT') return refuse(405, 'UnsupportedHttpVerb');
      if (headers['x-ms-blob-type'] !== 'BlockBlob') return refuse(400, 'MissingRequiredHeader');
      if (headers['content-length'] === undefined) return refuse(411, 'MissingContentLengthHeader');
      if (!/^20\d\d-\d\d-\d\d$/.test(String(headers['x-ms-version']))) {
        return refuse(400, 'InvalidHeaderValue');
      }
      const names = Object.keys(headers).filter((name) => name.startsWith('x-ms-meta-'));
      // They become identifiers of C#.
      if (!names.every((name) => /^x-ms-meta-[a-z_]\w*$/.test(name))) {
        return refuse(400, 'InvalidMetadata');
      }
      if (headers['content-md5'] !== md5(body)) return refuse(400, 'Md5Mismatch');
      return { status: 201, headers: { etag: '"0x8D"', 'content-md5': md5(body) } };
    },
    objectOf: ({ url, body }: ReceivedRequest): readonly [string, Buffer] => {
      const { pathname } = new URL(url, 'https://azure');
      return [decodeURIComponent(pathname.slice(prefix.length)), body];
    },
  };
}

export interface AzureAccount {
  readonly account: string;
  readonly container: string;
  readonly sig: string;
}

/** The multipart upload of the JSON API, with a token that a service account signed itself. */
export function gcsVendor({ bucket, email, publicKey }: GcsAccount) {
  const refuse = (code: number, reason: string, message: string): ReceiverAnswer => ({
    status: code,
    body: JSON.stringify({ error: { code, message, errors: [{ reason, message }] } }),
  });
  return {
    answer: (request: ReceivedRequest): ReceiverAnswer => {
      const { pathname, searchParams } = new URL(request.url, 'https://storage');
      const { authorization = '' } = request.headers;
      const problem = problemOf(authorization.replace(/^Bearer /, ''), { email, publicKey });
      if (problem !== undefined) return refuse(401, 'authError', problem);
      if (pathname !== `/upload/storage/v1/b/${bucket}/o`) {
        return refuse(404, 'notFound', 'The specified bucket does not exist.');
      }
      const parts = partsOf(request);
      if (searchParams.get('uploadType') !== 'multipart' || parts === undefined) {
        return refuse(400, 'badContent', 'Malformed multipart body.');
      }
      const { resource, content } = parts;
      const md5Hash = md5(content);
      if (resource['md5Hash'] !== md5Hash) {
        return refuse(400, 'invalid', "Provided MD5 hash doesn't match calculated MD5 hash.");
      }
      const body = { kind: 'storage#object', bucket, name: resource['name'], md5Hash };
      return { status: 200, body: JSON.stringify(body) };
    },
    objectOf: (request: ReceivedRequest): readonly [string, Buffer] => {
      const { resource, content } = partsOf(request)!;
      return [String(resource['name']), content];
    },
  };
}

export interface GcsAccount {
  readonly bucket: string;
  readonly email: string;
  readonly publicKey: KeyObject;
}

/** What is wrong with a token, as AIP-4111 describes them. */
function problemOf(
  token: string,
  { email, publicKey }: Omit<GcsAccount, 'bucket'>,
): string | undefined {
  const [head = '', claimsText = '', signature = ''] = token.split('.');
  const verify = createVerify('sha256').update(`${head}.${claimsText}`);
  if (!verify.verify(publicKey, signature, 'base64url')) return 'Invalid signature';
  const decode = (text: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;
  const header = decode(head);
  const claims = decode(claimsText);
  const now = Date.now() / 1_000;
  const [issued, expires] = [Number(claims['iat']), Number(claims['exp'])];
  if (header['alg'] !== 'RS256' || header['typ'] !== 'JWT') return 'Invalid header';
  if (claims['iss'] !== email || claims['sub'] !== email) return 'Invalid issuer';
  const scope = /^https:\/\/www\.googleapis\.com\/auth\/devstorage\.read_write$/;
  if (!scope.test(String(claims['scope'])) || 'aud' in claims) return 'Invalid scope';
  // Tests have clocks that are behind, so when it ends is judged by when it began.
  if (!(issued <= now && expires - issued === 3_600)) return 'Invalid times';
  return undefined;
}

function partsOf({
  headers,
  body,
}: ReceivedRequest): { resource: Record<string, unknown>; content: Buffer } | undefined {
  const [, boundary] =
    /^multipart\/related; boundary=(\S+)$/.exec(headers['content-type'] ?? '') ?? [];
  if (boundary === undefined) return undefined;
  const text = body.toString('latin1');
  const pattern = new RegExp(
    `^--${boundary}\r\n[^]*?\r\n\r\n([^]*?)\r\n--${boundary}\r\n[^]*?\r\n\r\n([^]*)\r\n--${boundary}--\r\n$`,
  );
  const [, json, content] = pattern.exec(text) ?? [];
  if (json === undefined || content === undefined) return undefined;
  const resource = Buffer.from(json, 'latin1').toString();
  return {
    resource: JSON.parse(resource) as Record<string, unknown>,
    content: Buffer.from(content, 'latin1'),
  };
}
