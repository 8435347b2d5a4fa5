import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StoreUnavailableError } from '@trailpush/core';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import DatabaseFile from 'better-sqlite3';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Database } from './database.ts';
import { SqliteDialect } from './sqlite-dialect.ts';

interface Tables {
  numbers: { value: number; text: string };
}

let folder: string;
let file: string;
const opened: Database<Tables>[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trailpush-sqlite-'));
  file = join(folder, 'state.db');
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close()));
  await rm(folder, { recursive: true });
});

function openDatabase(clock = new FakeClock()): Database<Tables> {
  const dialect = new SqliteDialect({ file, clock });
  const database = new Database<Tables>({
    dialect,
    reader: dialect.reader,
    conflict: () => undefined,
    stalled: () => dialect.health(),
  });
  opened.push(database);
  return database;
}

async function withTable(): Promise<Database<Tables>> {
  const database = openDatabase();
  await run(database, 'create table numbers (value integer primary key, text text not null)');
  return database;
}

async function run(database: Database<Tables>, statement: string): Promise<unknown[]> {
  return database.run(async (kysely) => (await sql.raw(statement).execute(kysely)).rows);
}

function insert(database: Database<Tables>, value: number, text = 'x'): Promise<unknown> {
  return database.write((transaction) =>
    transaction.insertInto('numbers').values({ value, text }).execute(),
  );
}

function valuesOf(database: Database<Tables>): Promise<number[]> {
  return database.read(async (kysely) => {
    const rows = await kysely.selectFrom('numbers').select('value').orderBy('value').execute();
    return rows.map(({ value }) => value);
  });
}

describe('a SQLite database in its thread', () => {
  it('is durable, checked and for its owner alone', async () => {
    const database = await withTable();
    const pragma = async (name: string): Promise<unknown[]> =>
      Object.values((await run(database, `pragma ${name}`))[0] as Record<string, unknown>);
    expect(await pragma('journal_mode')).toEqual(['wal']);
    expect(await pragma('synchronous')).toEqual([2]);
    expect(await pragma('foreign_keys')).toEqual([1]);
    for (const name of ['', '-wal', '-shm']) {
      expect((await stat(file + name)).mode & 0o077).toBe(0);
    }
  });

  it('serves calls in the order of their arrival, one transaction at a time', async () => {
    const database = await withTable();
    const begun: number[] = [];
    let inside = 0;
    await Promise.all(
      Array.from({ length: 20 }, (_, value) =>
        database.write(async (transaction) => {
          begun.push(value);
          inside += 1;
          expect(inside).toBe(1);
          await transaction.insertInto('numbers').values({ value, text: '' }).execute();
          await transaction.selectFrom('numbers').selectAll().execute();
          inside -= 1;
        }),
      ),
    );
    expect(begun).toEqual(begun.toSorted((a, b) => a - b));
  });

  it('answers a query with what is committed, before the end of a transaction', async () => {
    const database = await withTable();
    await insert(database, 1);
    await database.write(async (transaction) => {
      await transaction.insertInto('numbers').values({ value: 2, text: '' }).execute();
      expect(await valuesOf(database)).toEqual([1]);
    });
    expect(await valuesOf(database)).toEqual([1, 2]);
  });

  it('takes back a transaction that fails', async () => {
    const database = await withTable();
    await insert(database, 1);
    const failing = database.write(async (transaction) => {
      await transaction.insertInto('numbers').values({ value: 2, text: '' }).execute();
      await transaction.insertInto('numbers').values({ value: 1, text: '' }).execute();
    });
    await expect(failing).rejects.toThrow('UNIQUE');
    await expect(failing).rejects.not.toThrow(StoreUnavailableError);
    await insert(database, 3);
    expect(await valuesOf(database)).toEqual([1, 3]);
    expect(database.health()).toBeUndefined();
  });

  it('refuses calls after it was closed', async () => {
    const database = await withTable();
    const pending = insert(database, 1);
    await database.close();
    await pending;
    await expect(database.ping()).rejects.toThrow('the store was closed');
    opened.pop();
  });
});

describe('a SQLite database in trouble', () => {
  it('keeps faults of this program apart from its own', async () => {
    const database = await withTable();
    for (const statement of ['select 1; select 2', 'selec', 'select * from nothing']) {
      await expect(run(database, statement)).rejects.not.toThrow(StoreUnavailableError);
    }
    const impossible = { value: true, text: 'x' } as unknown as { value: number; text: string };
    const uncopied = { value: () => 1, text: 'x' } as unknown as typeof impossible;
    for (const row of [impossible, uncopied]) {
      const inserting = database.run((kysely) =>
        kysely.insertInto('numbers').values(row).execute(),
      );
      await expect(inserting).rejects.not.toThrow(StoreUnavailableError);
    }
    expect(await valuesOf(database)).toEqual([]);
    expect(database.health()).toBeUndefined();
  });

  it('says that its disk is full, and goes on when it is not any more', async () => {
    const database = await withTable();
    await insert(database, 1);
    // The same error as that of a full disk, from the same place in SQLite.
    const [{ page_count: pages }] = (await run(database, 'pragma page_count')) as [
      { page_count: number },
    ];
    await run(database, `pragma max_page_count = ${pages + 2}`);
    const large = 'x'.repeat(100_000);
    await expect(insert(database, 2, large)).rejects.toThrow(
      `the database ${file} cannot grow, because its disk is full: free some space (SQLITE_FULL)`,
    );
    await expect(insert(database, 2, large)).rejects.toThrow(StoreUnavailableError);
    expect(database.health()).toContain('disk is full');
    expect(await valuesOf(database)).toEqual([1]);
    await run(database, 'pragma max_page_count = 1000000');
    await insert(database, 2, large);
    expect(await valuesOf(database)).toEqual([1, 2]);
    expect(database.health()).toBeUndefined();
  });

  it('says that its folder is missing, and opens when it is there', async () => {
    await rm(folder, { recursive: true });
    const database = openDatabase();
    await expect(database.ping()).rejects.toThrow(
      `the database ${file} cannot be opened: ENOENT: no such file or directory`,
    );
    await mkdir(folder);
    await database.ping();
    expect(database.health()).toBeUndefined();
  });

  it('says that the file is no database', async () => {
    await writeFile(file, 'an ordinary text, long enough to be looked at as a header'.repeat(100));
    const database = openDatabase();
    await expect(database.ping()).rejects.toThrow(
      'is not a database: stop the program and restore',
    );
  });

  it('says that another process holds the file, and goes on when it lets go', async () => {
    const database = await withTable();
    const other = new DatabaseFile(file);
    other.exec('begin immediate');
    const waiting = insert(database, 1);
    await expect(waiting).rejects.toThrow('is held by another process');
    other.exec('rollback');
    other.close();
    await insert(database, 1);
    expect(await valuesOf(database)).toEqual([1]);
  });

  it('says for how long it has not answered', async () => {
    const clock = new FakeClock();
    const database = openDatabase(clock);
    await database.ping();
    const slow = run(
      database,
      'with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000) select max(i) from n',
    );
    // The thread has the statement once the driver has handed out the connection.
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(9_000);
    expect(database.health()).toBeUndefined();
    await clock.advance(3_000);
    expect(database.health()).toBe(
      `the database ${file} has not answered for 12 s: check its disk`,
    );
    await slow;
    expect(database.health()).toBeUndefined();
  });
});
