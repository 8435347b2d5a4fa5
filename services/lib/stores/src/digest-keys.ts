import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
} from 'node:crypto';

import {
  Secret,
  type Clock,
  type DigestKey,
  type DigestKeyStore,
  type DigestSigner,
} from '@trailpush/core';
import type { Selectable, Transaction } from 'kysely';

import type { Database } from './database.ts';
import type { Tables } from './schema.ts';
import type { SecretBox } from './secret-box.ts';

type KeyRow = Selectable<Tables['digest_keys']>;

/** The Ed25519 keys of digests, sealed in the database. */
export class SqlDigestKeyStore implements DigestKeyStore {
  readonly #database: Database<Tables>;
  readonly #box: SecretBox;
  readonly #clock: Clock;

  constructor(options: { database: Database<Tables>; box: SecretBox; clock: Clock }) {
    this.#database = options.database;
    this.#box = options.box;
    this.#clock = options.clock;
  }

  list(): Promise<readonly DigestKey[]> {
    const nowMs = this.#clock.now();
    return this.#database.write(async (transaction) => {
      await currentKey(transaction, this.#box, nowMs);
      const rows = await transaction
        .selectFrom('digest_keys')
        .selectAll()
        .orderBy('created_at_ms', 'desc')
        .orderBy('retired_at_ms', 'desc')
        .execute();
      // The one that signs first, whatever the clock said when it was made.
      return rows
        .map(keyOf)
        .toSorted((a, b) => Number(a.retiredAtMs !== null) - Number(b.retiredAtMs !== null));
    });
  }

  rotate(): Promise<DigestKey> {
    const nowMs = this.#clock.now();
    return this.#database.write(async (transaction) => {
      await transaction
        .updateTable('digest_keys')
        .set({ retired_at_ms: nowMs })
        .where('retired_at_ms', 'is', null)
        .execute();
      return keyOf(await currentKey(transaction, this.#box, nowMs));
    });
  }
}

/** Signs with the key that is not retired, which is made if there is none. */
export async function openSigner(
  transaction: Transaction<Tables>,
  box: SecretBox,
  nowMs: number,
): Promise<DigestSigner> {
  const row = await currentKey(transaction, box, nowMs);
  const key = createPrivateKey(box.open(row.private_key, sealedPlace(row.id)).reveal());
  return { keyId: row.id, sign: (text) => sign(null, text, key) };
}

async function currentKey(
  transaction: Transaction<Tables>,
  box: SecretBox,
  nowMs: number,
): Promise<KeyRow> {
  const current = () =>
    transaction
      .selectFrom('digest_keys')
      .selectAll()
      .where('retired_at_ms', 'is', null)
      .executeTakeFirst();
  const found = await current();
  if (found !== undefined) return found;
  const row = makeKey(box, nowMs);
  await transaction.insertInto('digest_keys').values(row).execute();
  return row;
}

function makeKey(box: SecretBox, nowMs: number): KeyRow {
  const { privateKey } = generateKeyPairSync('ed25519');
  const publicKey = createPublicKey(privateKey);
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const id = createHash('sha256').update(der).digest('hex').slice(0, 32);
  const secret = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  return {
    id,
    public_key: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    private_key: box.seal(secret, sealedPlace(id)),
    created_at_ms: nowMs,
    retired_at_ms: null,
  };
}

function sealedPlace(id: string) {
  return { accountId: '', jobId: 0, field: `digest_key ${id}` };
}

function keyOf(row: KeyRow): DigestKey {
  return {
    id: row.id,
    publicKey: row.public_key,
    createdAtMs: row.created_at_ms,
    retiredAtMs: row.retired_at_ms,
  };
}
