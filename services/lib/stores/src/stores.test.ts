import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  ConfigError,
  MAX_OUTBOX_ENTRIES,
  messageOf,
  OutboxFullError,
  Secret,
} from '@trailpush/core';
import { specOf } from '@trailpush/test/kit/contracts/stores/suite.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import DatabaseFile from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openPostgresStores, openSqliteStores, type Stores } from './stores.ts';

const secretKey = randomBytes(32);
let folder: string;
let file: string;
let log: ReturnType<typeof createRecordingLogger>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trailpush-stores-'));
  file = join(folder, 'state.db');
  log = createRecordingLogger();
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

function open(): Promise<Stores> {
  return openSqliteStores({ file, secretKey, clock: new FakeClock(), logger: log.logger });
}

/** As another program would that has the file. */
function change(statement: string): void {
  const database = new DatabaseFile(file);
  database.exec(statement);
  database.close();
}

describe('opening the stores', () => {
  it('leaves a database alone that a newer version has written', async () => {
    await (await open()).close();
    change("insert into state_migrations values ('9999_later', '2099-01-01T00:00:00.000Z')");
    await expect(open()).rejects.toThrow(ConfigError);
    await expect(open()).rejects.toThrow('start that version or a newer one');
  });

  it('says that DATABASE_URL is malformed, without repeating it', async () => {
    for (const url of [
      'postgres://user:pa%ss@:port/x',
      'postgres://user:hunter2@host:99999999/x',
    ]) {
      const { logger } = log;
      const opening = openPostgresStores({
        url: new Secret(url),
        secretKey,
        clock: new FakeClock(),
        logger,
      });
      const error: unknown = await opening.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConfigError);
      expect(messageOf(error)).toContain('postgres://user:password@host:5432/database');
      expect(messageOf(error)).not.toMatch(/hunter2|pa%ss/);
      expect((error as Error).cause).toBeUndefined();
    }
  });
});

describe('a job whose sealed destination was changed in the database', () => {
  it('is missing from the set, with an error, and harms no other', async () => {
    const stores = await open();
    const ids = [];
    for (const name of ['one', 'two', 'three']) {
      ids.push((await stores.jobs.create('acme', specOf({ name }), undefined)).id);
    }
    const [one, two, three] = ids;
    change(
      `update job_revisions set destination_conf = (select destination_conf from job_revisions where job_id = ${one!}) where job_id = ${two!}`,
    );
    const { jobs } = await stores.jobs.loadAll();
    expect(jobs.map(({ id }) => id)).toEqual([one, three]);
    expect(log.lines).toMatchObject([
      {
        level: 'error',
        fields: { job: two },
        message: 'a job cannot be loaded: delete it and create it again',
      },
    ]);
    await expect(stores.jobs.get('acme', two!)).rejects.toThrow('was changed in the database');
    expect(await stores.jobs.deletedAmong(ids)).toEqual(new Set());
    const describe = () => 'deleted';
    expect(await stores.jobs.delete('acme', two!, { describe })).toEqual({ droppedPlans: 0 });
    expect(await stores.jobs.list('acme')).toHaveLength(2);
    await stores.close();
  });
});

describe('an outbox that is full', () => {
  it('lets nothing be changed until the log has taken some of it', async () => {
    const stores = await open();
    const trail = { describe: () => 'event' };
    const create = () => stores.jobs.create('acme', specOf(), undefined, trail);
    change(`with recursive numbers(n) as (values(1) union all select n + 1 from numbers where n < ${MAX_OUTBOX_ENTRIES})
      insert into outbox (line, created_at_ms, leased_until_ms) select 'waiting', 0, 0 from numbers`);
    await expect(create()).rejects.toThrow(OutboxFullError);
    expect(await stores.jobs.list('acme')).toEqual([]);
    await stores.outbox.remove([(await stores.outbox.take(1, 0))[0]!.id]);
    expect((await create()).id).toBeGreaterThan(0);
    await expect(create()).rejects.toThrow('10000 audit events about earlier changes wait');
    await stores.close();
  });
});

describe('an offset of a topic that was made anew', () => {
  it('is not skipped for a dead letter of the topic before', async () => {
    const stores = await open();
    const { progress } = stores;
    await progress.claim({
      topic: 't',
      partition: 0,
      owner: 'a',
      heldEpoch: undefined,
      logStart: 0,
    });
    const letter = {
      ...{ topic: 't', partition: 0, offset: 3, jobId: null, accountId: null, timestampMs: 1 },
      ...{ reason: 'not_avro', message: 'no framing', key: null, value: null },
    };
    await progress.saveDeadLetters([letter]);
    const offsets = () =>
      progress.deadLetterOffsets({ topic: 't', partition: 0, first: 0, last: 9 }, 100);
    expect(await offsets()).toEqual([3]);
    change("update topics set incarnation = 2 where topic = 't'");
    expect(await offsets()).toEqual([]);
    await progress.saveDeadLetters([letter]);
    expect(await offsets()).toEqual([3]);
    expect(await progress.listDeadLetters(9)).toHaveLength(2);
    await stores.close();
  });
});
