import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import type { DigestContent, DigestLink, DigestObject, DigestSigner } from '@trailpush/core';
import { digestBuilder, digestKey, keyIdOf } from '@trailpush/destinations';

export const HOUR_MS = 3_600_000;
/** The beginning of the first digest. */
export const BEGIN_MS = Date.UTC(2026, 0, 1);

/** A key to sign with, and to verify with. */
export function makeSigner(): DigestSigner & { readonly publicKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const keyId = keyIdOf(publicKey);
  return { keyId, publicKey, sign: (text) => sign(null, text, privateKey) };
}

/** A folder with the objects and the digests of one job, an hour after the other. */
export class DigestWorld {
  readonly root = mkdtempSync(join(tmpdir(), 'trailpush-digests-'));
  signer = makeSigner();
  readonly #jobId: number;
  readonly #folder: string;
  #sequence = 0;
  #objects = 0;
  #previous: DigestLink | null = null;

  constructor({ jobId = 7, folder = 'logs' } = {}) {
    this.#jobId = jobId;
    this.#folder = folder;
  }

  path(key: string): string {
    return join(this.root, key);
  }

  /** Writes an object of so many lines, and tells what a digest says of it. */
  object(lines = 3): DigestObject {
    const first = this.#objects++ * 10;
    const key = `${this.#folder}/20260101/object-${this.#jobId}-${first}.log.gz`;
    const payload = `{"line":${first}}\n`.repeat(lines);
    this.write(key, gzipSync(payload));
    return {
      ...{ location: 's3://bucket', key, idempotencyKey: key, replayId: null, topic: 't' },
      ...{
        payloadHash: createHash('sha256').update(payload).digest('hex'),
        payloadBytes: payload.length,
      },
      ...{ records: lines, partition: 0, first, last: first + 9 },
    };
  }

  write(key: string, bytes: Uint8Array): void {
    mkdirSync(dirname(this.path(key)), { recursive: true });
    writeFileSync(this.path(key), bytes);
  }

  /** Writes the next digest, and returns its key. */
  digest(objects: readonly DigestObject[], changes: Partial<DigestContent> = {}): string {
    const sequence = ++this.#sequence;
    const toMs = BEGIN_MS + sequence * HOUR_MS;
    const content: DigestContent = {
      ...{ accountId: 'acme', jobId: this.#jobId, sequence, fromMs: toMs - HOUR_MS, toMs, objects },
      ...{ state: 'enabled', isPart: false, openPlans: [], ranges: [], gaps: [], deadLetters: [] },
      places: [{ since: 1, location: 's3://bucket', folder: this.#folder }],
      previous: this.#previous,
      ...changes,
    };
    const signed = digestBuilder({ intervalMs: HOUR_MS, hasKeys: false })(content, this.signer);
    this.#previous = signed;
    const key = digestKey(this.#folder, content);
    this.write(key, signed.body);
    return key;
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}
