import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

import { ConfigError, Secret } from '@trailpush/core';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_LENGTH = 16;
const FORMAT = 'v1';

/** What a sealed text belongs to. Moved to another place, it cannot be opened. */
export interface SealedPlace {
  readonly accountId: string;
  readonly jobId: number;
  readonly field: string;
}

/** A sealed text that was changed, moved, or sealed with another key. */
export class SealBrokenError extends Error {}

/**
 * Seals secrets before they are stored: AES-256-GCM with a random nonce, bound to the place and the key.
 * A sealed text reads `v1.<key id>.<base64url of nonce, ciphertext and tag>`.
 */
export class SecretBox {
  readonly #key: Buffer;
  readonly #keyId: string;

  /** @throws ConfigError when the key is not 32 bytes long. */
  constructor(key: Buffer) {
    if (key.length !== KEY_BYTES) {
      throw new ConfigError(
        `TRAILPUSH_SECRET_KEY must be ${KEY_BYTES} bytes in base64, but is ${key.length} bytes long`,
      );
    }
    this.#key = Buffer.from(key);
    this.#keyId = createHash('sha256')
      .update('trailpush key id\n')
      .update(key)
      .digest('hex')
      .slice(0, KEY_ID_LENGTH);
  }

  seal(secret: Secret, place: SealedPlace): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#associatedData(place));
    const text = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final()]);
    const sealed = Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url');
    return `${FORMAT}.${this.#keyId}.${sealed}`;
  }

  /** @throws SealBrokenError */
  open(sealed: string, place: SealedPlace): Secret {
    const [format, keyId, body] = sealed.split('.');
    if (format !== FORMAT || keyId !== this.#keyId || body === undefined) {
      throw new SealBrokenError(`${nameOf(place)} was sealed with another key`);
    }
    const bytes = Buffer.from(body, 'base64url');
    try {
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(this.#associatedData(place));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      return new Secret(Buffer.concat([text, decipher.final()]).toString('utf8'));
    } catch {
      throw new SealBrokenError(`${nameOf(place)} was changed in the database, or moved to it`);
    }
  }

  #associatedData({ accountId, jobId, field }: SealedPlace): Buffer {
    return Buffer.from(JSON.stringify([FORMAT, this.#keyId, accountId, jobId, field]));
  }
}

function nameOf({ jobId, field }: SealedPlace): string {
  return `the sealed ${field} of job ${jobId}`;
}
