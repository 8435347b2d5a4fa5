import type { RecordLog, Tenant } from '@trailpush/core';
import { EntryReader, WriterSchemas } from '@trailpush/datasets';
import { Indexer } from '@trailpush/indexer';
import { createMetrics } from '@trailpush/runtime';
import { account } from '@trailpush/test/kit/audit-entry.ts';
import { eventValue } from '@trailpush/test/kit/events.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { FlakyStore, SlowStore, type IndexStore } from '@trailpush/test/kit/index-stores.ts';
import { MemoryAuditRetention } from '@trailpush/test/kit/memory-audit-retention.ts';
import { MemoryAuditStore } from '@trailpush/test/kit/memory-audit-store.ts';
import { MemoryTopic } from '@trailpush/test/kit/memory-log.ts';
import { SeededRandom } from '@trailpush/test/kit/random.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ACME = account('acme');
const schemas = new WriterSchemas({});
let clock: FakeClock;
let topic: MemoryTopic;
let store: MemoryAuditStore;
let running: Indexer[];
let metrics: ReturnType<typeof createMetrics>;
let logged: ReturnType<typeof createRecordingLogger>;

beforeEach(() => {
  clock = new FakeClock();
  topic = new MemoryTopic({ clock, partitions: 1, maxReadRecords: 7 });
  store = new MemoryAuditStore();
  running = [];
  metrics = createMetrics();
  logged = createRecordingLogger();
});

afterEach(async () => {
  await Promise.all(running.map((indexer) => stop(indexer)));
});

async function stop(indexer: Indexer): Promise<void> {
  const stopped = indexer.stop();
  await clock.advance(2000);
  await stopped;
}

async function start(into: IndexStore = store, log: RecordLog = topic.open()): Promise<Indexer> {
  const indexer = new Indexer({
    log,
    store: into,
    openReader: () => new EntryReader(schemas),
    clock,
    logger: logged.logger,
    metrics,
    maxRecordBytes: 100_000,
    retention: new MemoryAuditRetention(store),
    retentionMonths: 18,
  });
  running.push(indexer);
  await indexer.start();
  await clock.advance(3000);
  return indexer;
}

function produce(ids: readonly string[], accountId = 'acme'): void {
  topic.append(ids.map((id) => ({ key: accountId, value: eventValue({ id, accountId }) })));
}

function names(count: number, prefix = 'e'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

async function stored(tenant: Tenant = ACME): Promise<string[]> {
  const { entries } = await store.query({
    tenant,
    sinceMicros: 0,
    beforeMicros: Number.MAX_SAFE_INTEGER,
    direction: 'asc',
    limit: 1_000_000,
    filters: [],
  });
  return entries.map(({ id }) => id);
}

function messages(): string[] {
  return logged.lines.map(({ message }) => message);
}

describe('the indexer', () => {
  it('stores what the log holds, in order, and then what arrives', async () => {
    produce(names(20));
    const indexer = await start();
    expect(await stored()).toEqual(names(20));
    produce(['late']);
    await clock.advance(2000);
    expect(await stored()).toEqual([...names(20), 'late']);
    expect(indexer.health()).toBeUndefined();
    expect(await store.position(topic.topic, 0)).toMatchObject({ next: 21 });
  });

  it('does not begin to read what was taken away while it asked for its position', async () => {
    produce(['a']);
    const log = topic.open();
    const opened: number[] = [];
    const openReader = log.openReader.bind(log);
    log.openReader = (partition, offset) => {
      opened.push(partition);
      return openReader(partition, offset);
    };
    const answer = Promise.withResolvers<undefined>();
    const slow: IndexStore = {
      position: () => answer.promise,
      append: (batch) => store.append(batch),
    };
    const indexer = await start(slow, log);
    const stopped = indexer.stop();
    answer.resolve(undefined);
    await clock.advance(2000);
    await stopped;
    expect(opened).toEqual([]);
    expect(await stored()).toEqual([]);
  });

  it('goes on where it ended, in another process', async () => {
    produce(names(10));
    await stop(await start());
    produce(names(10, 'f'));
    await start();
    expect(await stored()).toEqual([...names(10), ...names(10, 'f')]);
    const { values } = await metrics.indexing.events.get();
    expect(values.find(({ labels }) => labels.result === 'repeated')?.value ?? 0).toBe(0);
  });

  it('stores an event that was sent twice once, and counts the second', async () => {
    produce(['a', 'b', 'a']);
    await start();
    produce(['b']);
    await clock.advance(2000);
    expect(await stored()).toEqual(['a', 'b']);
    const { values } = await metrics.indexing.events.get();
    expect(values.find(({ labels }) => labels.result === 'repeated')?.value).toBe(2);
  });

  it('sets bad records aside with their reasons, and passes null values', async () => {
    const key = Buffer.from('acme');
    const value = eventValue({ id: 'x', accountId: 'acme' });
    const huge = eventValue({ id: 'huge', accountId: 'acme', bodyChars: 200_000 });
    topic.appendRaw({ partition: 0, key, value: Buffer.from('no Avro') });
    topic.appendRaw({ partition: 0, key: null, value });
    topic.appendRaw({ partition: 0, key: Buffer.from('other'), value });
    topic.appendRaw({ partition: 0, key, value: null });
    topic.appendRaw({ partition: 0, key, value: huge });
    produce(['good']);
    await start();
    expect(await stored()).toEqual(['good']);
    expect((await store.listDeadLetters(10)).map(({ offset, reason }) => [offset, reason])).toEqual(
      [
        [4, 'too_large'],
        [2, 'account_mismatch'],
        [1, 'missing_key'],
        [0, 'not_avro'],
      ],
    );
    expect(messages()).toContain('records could not be indexed');
  });

  it('keeps bad records whole, also those that were read long before they are stored', async () => {
    const slow = new SlowStore(store);
    produce(names(10));
    topic.appendRaw({ partition: 0, key: Buffer.from('acme'), value: Buffer.from('no Avro') });
    produce(names(30, 'f'));
    await start(slow);
    for (let round = 0; round < 5; round += 1) {
      slow.release();
      await clock.advance(3000);
    }
    const [letter] = await store.listDeadLetters(10);
    expect(letter?.offset).toBe(10);
    expect(letter?.value).toEqual(new TextEncoder().encode('no Avro'));
    expect(letter?.key).toEqual(new TextEncoder().encode('acme'));
  });

  it('sets events of a broken clock aside, since every month has a table', async () => {
    // Events are of January 2026.
    clock = new FakeClock(Date.UTC(2040, 0, 1));
    topic = new MemoryTopic({ clock, partitions: 1 });
    produce(['old']);
    await start();
    expect(await stored()).toEqual([]);
    const [letter] = await store.listDeadLetters(1);
    expect(letter?.reason).toBe('time_out_of_range');
    expect(letter?.message).toContain('5113 days before it reached the log');
  });

  it('leaves out what retention would remove at once, loudly', async () => {
    // Events are of January 2026.
    clock = new FakeClock(Date.UTC(2027, 7, 1));
    topic = new MemoryTopic({ clock, partitions: 1 });
    produce(['old']);
    await start();
    expect(await stored()).toEqual([]);
    expect(await store.position(topic.topic, 0)).toMatchObject({ next: 1 });
    const { values } = await metrics.indexing.events.get();
    expect(values.find(({ labels }) => labels.result === 'expired')?.value).toBe(1);
    expect(messages()).toContainEqual(
      expect.stringContaining('events older than the retention were not indexed'),
    );
  });

  it('records what retention has taken as a gap, loudly, and goes on behind it', async () => {
    produce(names(10));
    await stop(await start());
    produce(names(20, 'f'));
    topic.trim(0, 25);
    await start();
    expect(await store.listGaps(topic.topic)).toMatchObject([{ partition: 0, from: 10, to: 25 }]);
    expect(await stored()).toEqual([...names(10), ...names(20, 'f').slice(15)]);
    expect(messages()).toContain('the log lost offsets before they were indexed');
  });

  it('reads a topic that was made anew from its beginning', async () => {
    produce(names(10));
    await stop(await start());
    for (const length of [3, 30]) {
      topic.truncate(0, 0);
      await clock.advance(1000);
      produce(names(length, `n${length} `));
      await stop(await start());
      expect(await stored()).toEqual(expect.arrayContaining(names(length, `n${length} `)));
      expect(messages()).toContain(
        'the topic was cut or made anew: it is indexed from its beginning',
      );
      logged.lines.length = 0;
    }
  });

  it('reads ahead while it stores, one batch and no more, which it then stores as one', async () => {
    const slow = new SlowStore(store);
    produce(names(200));
    await start(slow);
    expect(slow.sizes).toEqual([7]);
    slow.release();
    await clock.advance(3000);
    // Eleven of twelve chunks: the first is still being stored.
    expect(slow.sizes.slice(0, 2)).toEqual([7, 77]);
    for (let round = 0; round < 10; round += 1) {
      slow.release();
      await clock.advance(3000);
    }
    expect(await stored()).toEqual(names(200));
  });

  it('waits while the store is away, says so, and loses nothing', async () => {
    const flaky = new FlakyStore(store);
    flaky.isAway = true;
    produce(names(20));
    const indexer = await start(flaky);
    expect(indexer.health()).toBe('partition 0 is not indexed: the store is away');
    flaky.isAway = false;
    await clock.advance(3000);
    expect(indexer.health()).toBeUndefined();
    expect(await stored()).toEqual(names(20));
  });

  it('stores everything once, whatever answers of the store are lost', async () => {
    const random = new SeededRandom(3);
    const flaky = new FlakyStore(store);
    flaky.fate = () => random.pick(['answer', 'answer', 'fail', 'lose the answer'] as const);
    // Two processes that both believe that the partition is theirs.
    await start(flaky);
    await start(flaky, inGroup('another', topic.open()));
    for (let round = 0; round < 20; round += 1) {
      produce(names(13, `${round} `));
      await clock.advance(5000);
    }
    flaky.fate = () => 'answer';
    await clock.advance(10_000);
    const expected = Array.from({ length: 20 }, (_, round) => names(13, `${round} `)).flat();
    expect(await stored()).toEqual(expected);
    expect(messages()).toContain('another process has indexed the same records');
  });
});

/** The log, where every group gets all partitions. */
function inGroup(groupId: string, log: RecordLog): RecordLog {
  return {
    topic: log.topic,
    bounds: () => log.bounds(),
    openReader: (partition, offset) => log.openReader(partition, offset),
    joinGroup: (_, onAssignment) => log.joinGroup(groupId, onAssignment),
    append: (records) => log.append(records),
    health: () => log.health(),
    close: () => log.close(),
  };
}
