import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate with its key, PEM, for test servers. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateAuthority extends Certificate {
  /** A certificate for these names and IPv4 addresses, valid around now unless `expired`. */
  issue(hosts: readonly string[], options?: { readonly expired?: boolean }): Certificate;
}

const DAY_MS = 86_400_000;
const COMMON_NAME = oid(0x55, 0x04, 0x03);
const ECDSA_WITH_SHA256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));

/** An authority of its own for each call, so that no private key lies in the repository. */
export function createAuthority(): CertificateAuthority {
  const { publicKey, privateKey } = newKeys();
  const name = `Trailpush test authority ${randomBytes(4).toString('hex')}`;
  const isCa = extension([0x55, 0x1d, 0x13], sequence(der(0x01, Buffer.of(0xff))));
  const cert = certificate({
    issuer: name,
    subject: name,
    publicKey,
    signer: privateKey,
    extensions: [isCa],
  });
  return {
    cert,
    key: pemOf(privateKey),
    issue(hosts, options = {}) {
      const keys = newKeys();
      const alternativeNames = extension([0x55, 0x1d, 0x11], sequence(...hosts.map(generalName)));
      const issued = certificate({
        issuer: name,
        subject: hosts[0] ?? '',
        publicKey: keys.publicKey,
        signer: privateKey,
        extensions: [alternativeNames],
        expired: options.expired ?? false,
      });
      return { cert: issued, key: pemOf(keys.privateKey) };
    },
  };
}

interface Contents {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly expired?: boolean;
}

/** X.509 v3 in DER, signed, as PEM. */
function certificate(contents: Contents): string {
  const end = Date.now() + (contents.expired === true ? -DAY_MS : DAY_MS);
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    distinguishedName(contents.issuer),
    sequence(utcTime(end - 10 * DAY_MS), utcTime(end)),
    distinguishedName(contents.subject),
    contents.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...contents.extensions)),
  );
  const signature = Buffer.concat([Buffer.of(0), sign('sha256', body, contents.signer)]);
  const whole = sequence(body, ECDSA_WITH_SHA256, der(0x03, signature));
  const lines =
    whole
      .toString('base64')
      .match(/.{1,64}/g)
      ?.join('\n') ?? '';
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function oid(...bytes: readonly number[]): Buffer {
  return der(0x06, Buffer.of(...bytes));
}

function extension(id: readonly number[], value: Buffer): Buffer {
  return sequence(oid(...id), der(0x04, value));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(commonName)))));
}

function generalName(host: string): Buffer {
  const isAddress = /^[\d.]+$/.test(host);
  return isAddress
    ? der(0x87, Buffer.from(host.split('.').map(Number)))
    : der(0x82, Buffer.from(host));
}

function utcTime(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${text}Z`));
}

function newKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
