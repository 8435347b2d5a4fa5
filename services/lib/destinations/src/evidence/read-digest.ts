import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';

import { TrailpushError } from '@trailpush/core';

import { DIGEST_VERSION, hashOf, type DigestSignature, type DigestText } from './digest-file.ts';

export interface VerifyingKey {
  readonly key: KeyObject;
  /** Null while it signs, or when nobody has said. */
  readonly retiredAtMs: number | null;
}

/** By key id. */
export type VerifyingKeys = ReadonlyMap<string, VerifyingKey>;

/** A digest whose signature is good, and what the next one says of it. */
export interface ProvenDigest {
  readonly text: DigestText;
  readonly hash: string;
  readonly signature: string;
}

/** The digest cannot be believed; the message says why. */
export class UnprovenError extends TrailpushError {}

/** First 32 hex digits of SHA-256 over the key (SPKI, DER): never what a file says. */
export function keyIdOf(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex').slice(0, 32);
}

/** A public key of PEM or JWK. @throws when it is none, or not Ed25519 */
export function readPublicKey(key: string | Record<string, unknown>): KeyObject {
  const read =
    typeof key === 'string' ? createPublicKey(key) : createPublicKey({ key: key, format: 'jwk' });
  if (read.asymmetricKeyType !== 'ed25519') {
    throw new UnprovenError(`it is a key of type ${read.asymmetricKeyType}, not Ed25519`);
  }
  return read;
}

/**
 * Checks the signature of a digest's file before anything that it says is looked at.
 * @throws UnprovenError
 */
export function readDigest(file: Uint8Array, keys: VerifyingKeys): ProvenDigest {
  const bytes = Buffer.from(file);
  const end = bytes.indexOf(0x0a);
  const line = bytes.subarray(0, Math.max(end, 0));
  const { key_id: keyId, signature } = sealOf(bytes.subarray(end + 1).toString());
  const known = keys.get(keyId);
  if (known === undefined) {
    throw new UnprovenError(`it is signed with the key ${keyId}, which is not among those given`);
  }
  if (!verify(null, line, known.key, Buffer.from(signature, 'base64'))) {
    throw new UnprovenError('its signature does not fit: it was changed');
  }
  const text = JSON.parse(line.toString()) as DigestText;
  if ((text.version as number) !== DIGEST_VERSION) {
    throw new UnprovenError(`it has version ${text.version}, which needs a newer trailpush`);
  }
  const retiredAtMs = known.retiredAtMs ?? Infinity;
  // Digests of other processes may be a moment late.
  if (Date.parse(text.to) > retiredAtMs + text.interval_seconds * 1000) {
    throw new UnprovenError(
      `it is signed with the key ${keyId}, which was retired at ${new Date(retiredAtMs).toISOString()}`,
    );
  }
  return { text, hash: hashOf(line), signature };
}

function sealOf(line: string): Pick<DigestSignature, 'key_id' | 'signature'> {
  try {
    const { key_id, signature } = JSON.parse(line) as Partial<DigestSignature>;
    if (typeof key_id === 'string' && typeof signature === 'string') {
      return { key_id: key_id.slice(0, 64), signature };
    }
  } catch {
    // As below.
  }
  throw new UnprovenError('it has no signature');
}
