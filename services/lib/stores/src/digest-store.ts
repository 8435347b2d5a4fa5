import type {
  Clock,
  DigestOrder,
  DigestStore,
  DigestSummary,
  DueChain,
  StoredDigest,
} from '@trailpush/core';
import { sql, type Selectable, type Transaction } from 'kysely';

import type { Database } from './database.ts';
import { isEmpty, readNext, type ChainRow, type NextDigest } from './digest-content.ts';
import { openSigner } from './digest-keys.ts';
import { isPostgres } from './migrations/columns.ts';
import { numberRows } from './number-rows.ts';
import type { Tables } from './schema.ts';
import type { SecretBox } from './secret-box.ts';

const DAY_MS = 86_400_000;
/** Of jobs that were just enabled; the rest begins with the next look. */
const MAX_NEW_CHAINS = 500;

type DigestRow = Selectable<Tables['digests']>;

/** Digests in SQL. What was said is marked on the row that it was said of, so that it is said once. */
export class SqlDigestStore implements DigestStore {
  readonly #database: Database<Tables>;
  readonly #box: SecretBox;
  readonly #clock: Clock;

  constructor(options: { database: Database<Tables>; box: SecretBox; clock: Clock }) {
    this.#database = options.database;
    this.#box = options.box;
    this.#clock = options.clock;
  }

  takeDue(request: Parameters<DigestStore['takeDue']>[0]): Promise<readonly DueChain[]> {
    const { nowMs, limit, leaseMs } = request;
    return this.#database.write(async (transaction) => {
      await beginChains(transaction, request);
      const due = await transaction
        .selectFrom('digest_chains')
        .select(['job_id', 'account_id', 'tries'])
        .where('due_at_ms', '<=', nowMs)
        .orderBy('due_at_ms')
        .limit(limit)
        .forUpdate()
        .skipLocked()
        .execute();
      for (const { job_id } of due) {
        await transaction
          .updateTable('digest_chains')
          .set({ due_at_ms: nowMs + leaseMs })
          .where('job_id', '=', job_id)
          .execute();
      }
      return due.map((row) => ({ jobId: row.job_id, accountId: row.account_id, tries: row.tries }));
    });
  }

  next(jobId: number, order: DigestOrder): Promise<StoredDigest | undefined> {
    return this.#database.write(async (transaction) => {
      if (isPostgres(transaction)) {
        // Cursors and ledger as they were at one moment; SQLite has no others.
        await sql`set transaction isolation level repeatable read`.execute(transaction);
      }
      const chain = await transaction
        .selectFrom('digest_chains')
        .selectAll()
        .where('job_id', '=', jobId)
        .forUpdate()
        .executeTakeFirst();
      if (chain === undefined) return undefined;
      const open = await transaction
        .selectFrom('digests')
        .selectAll()
        .where('job_id', '=', jobId)
        .where('settled_at_ms', 'is', null)
        .executeTakeFirst();
      if (open !== undefined) return digestOf(open);
      const next = await readNext(transaction, chain, order);
      return saysNothing(chain, next, order)
        ? undefined
        : seal(transaction, { box: this.#box, next, order });
    });
  }

  async settle(jobId: number, sequence: number, isWritten: boolean): Promise<void> {
    const settledAtMs = this.#clock.now();
    await this.#database.write(async (transaction) => {
      if (isWritten) {
        const done = transaction.deleteFrom('digests').where('job_id', '=', jobId);
        await done.where('sequence', '=', sequence).execute();
        return;
      }
      await transaction
        .updateTable('digests')
        .set({ settled_at_ms: settledAtMs })
        .where('job_id', '=', jobId)
        .where('sequence', '=', sequence)
        .execute();
    });
  }

  async schedule(jobId: number, dueAtMs: number | null, tries: number): Promise<void> {
    await this.#database.write((transaction) =>
      transaction
        .updateTable('digest_chains')
        .set({ due_at_ms: dueAtMs, tries })
        .where('job_id', '=', jobId)
        .execute(),
    );
  }

  async list(
    ...[accountId, jobId, { limit, before }]: Parameters<DigestStore['list']>
  ): Promise<readonly DigestSummary[]> {
    const rows = await this.#database.read((database) => {
      const select = database
        .selectFrom('digests')
        .select(['job_id', 'sequence', 'from_ms', 'to_ms', 'hash', 'signature', 'key_id'])
        .where('job_id', '=', jobId)
        .where('account_id', '=', accountId)
        .orderBy('sequence', 'desc')
        .limit(limit);
      return (before === undefined ? select : select.where('sequence', '<', before)).execute();
    });
    return rows.map(summaryOf);
  }

  async get(accountId: string, jobId: number, sequence: number): Promise<StoredDigest | undefined> {
    const row = await this.#database.read((database) =>
      database
        .selectFrom('digests')
        .selectAll()
        .where('job_id', '=', jobId)
        .where('sequence', '=', sequence)
        .where('account_id', '=', accountId)
        .executeTakeFirst(),
    );
    return row && digestOf(row);
  }
}

async function beginChains(
  transaction: Transaction<Tables>,
  { nowMs, firstAfterMs }: Parameters<DigestStore['takeDue']>[0],
): Promise<void> {
  const jobs = await transaction
    .selectFrom('jobs')
    .select(['id', 'account_id', 'created_at_ms'])
    .where('ever_enabled', '=', 1)
    .where('replay_of', 'is', null)
    .where('id', 'not in', (eb) => eb.selectFrom('digest_chains').select('job_id'))
    .orderBy('id')
    .limit(MAX_NEW_CHAINS)
    .execute();
  if (jobs.length === 0) return;
  const rows = jobs.map((job) => ({
    ...{ job_id: job.id, account_id: job.account_id, started_at_ms: job.created_at_ms },
    ...{ sequence: 0, sealed_until_ms: job.created_at_ms, dead_letter_id: 0, tries: 0 },
    ...{ state: 'enabled' as const, places: '[]', positions: '[]' },
    due_at_ms: nowMs + firstAfterMs(job.id),
  }));
  await transaction
    .insertInto('digest_chains')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function saysNothing(
  chain: ChainRow,
  { content }: NextDigest,
  { isKept, nowMs }: DigestOrder,
): boolean {
  if (!isEmpty(content)) return false;
  if (content.state === 'deleted') return true;
  if (content.state !== chain.state) return false;
  return content.state === 'disabled' || (isKept && nowMs - chain.sealed_until_ms < DAY_MS);
}

async function seal(
  transaction: Transaction<Tables>,
  { box, next, order }: { box: SecretBox; next: NextDigest; order: DigestOrder },
): Promise<StoredDigest> {
  const { content } = next;
  const { jobId, accountId, sequence, fromMs, toMs, places, state } = content;
  const signer = await openSigner(transaction, box, order.nowMs);
  const signed = order.build(content, signer);
  const place = places.at(-1);
  const row: DigestRow = {
    ...{ job_id: jobId, sequence, account_id: accountId, from_ms: fromMs, to_ms: toMs },
    ...{ location: place?.location ?? null, folder: place?.folder ?? null },
    ...{ body: signed.body, hash: signed.hash, signature: signed.signature },
    ...{ key_id: signer.keyId, is_part: content.isPart ? 1 : 0, settled_at_ms: null },
  };
  await transaction.insertInto('digests').values(row).execute();
  await mark(
    transaction,
    'objects',
    sequence,
    next.objects.map(({ id }) => id),
  );
  await mark(transaction, 'gaps', sequence, next.gapIds);
  await transaction
    .updateTable('digest_chains')
    .set({
      ...{ sequence, sealed_until_ms: toMs, hash: signed.hash, signature: signed.signature },
      ...{ state, dead_letter_id: next.deadLetterId },
      ...{ places: JSON.stringify(places), positions: JSON.stringify(next.positions) },
    })
    .where('job_id', '=', jobId)
    .execute();
  return digestOf(row);
}

async function mark(
  transaction: Transaction<Tables>,
  table: 'objects' | 'gaps',
  digest: number,
  ids: readonly number[],
): Promise<void> {
  if (ids.length === 0) return;
  const rows = numberRows(
    transaction,
    ['id'],
    ids.map((id) => [id]),
  );
  await transaction
    .updateTable(table)
    .set({ digest })
    .where('id', 'in', sql<number>`(select id from ${rows} as named)`)
    .execute();
}

function summaryOf(
  row: Omit<DigestRow, 'account_id' | 'location' | 'folder' | 'body' | 'is_part' | 'settled_at_ms'>,
): DigestSummary {
  return {
    ...{ jobId: row.job_id, sequence: row.sequence, fromMs: row.from_ms, toMs: row.to_ms },
    ...{ hash: row.hash, signature: row.signature, keyId: row.key_id },
  };
}

function digestOf(row: DigestRow): StoredDigest {
  const { location, folder } = row;
  return {
    ...summaryOf(row),
    accountId: row.account_id,
    isPart: row.is_part === 1,
    place: location === null || folder === null ? null : { location, folder },
    body: new Uint8Array(row.body),
  };
}
