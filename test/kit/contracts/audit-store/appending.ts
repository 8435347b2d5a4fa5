import { expect, it } from 'vitest';
import { AUDIT_BODIES, AUDIT_TEXTS, wordsOf } from '@trailpush/core';
import {
  encodeEvent,
  EntryMemory,
  EntryReader,
  plainEntry,
  WriterSchemas,
} from '@trailpush/datasets';
import { auditEntry, MAY_21_MICROS } from '../../audit-entry.ts';
import { EventSource } from '../../event-source.ts';
import { DAY_MICROS, idsOf, newName, newTenant, only, put, queryOf, type Suite } from './suite.ts';

export function appendContract({ store, other }: Suite): void {
  const batch = { partition: 0, entries: [], deadLetters: [] };

  it('gives back every value as it was', async () => {
    const tenant = newTenant();
    const odd = 'a\tb\nc\rd\\N "q" \0 \u0001 \u00010 é 監査 😀 \u2028';
    const texts = Object.fromEntries(
      AUDIT_TEXTS.map((name, index) => [name, index % 3 === 0 ? '' : `${name} ${odd}`]),
    );
    const bodies = Object.fromEntries(AUDIT_BODIES.map((name) => [name, `{"${name}":"\\u0000"}`]));
    const full = auditEntry({
      ...{ tenant, id: `id ${odd}`, raw_status_code: 200 },
      ...texts,
      ...bodies,
    });
    const bare = auditEntry({ tenant, id: 'bare', timeMicros: MAY_21_MICROS + 123_456 });
    await put(store(), [full, bare]);
    expect((await store().query(queryOf(tenant))).entries).toEqual([bare, full]);
  });

  it('stores and finds events that came as bytes as it does others', async () => {
    const tenant = newTenant();
    const source = new EventSource({ accounts: [tenant.id], templates: 300 });
    const reader = new EntryReader(new WriterSchemas({}));
    const memory = new EntryMemory(300, 300_000);
    const entries = Array.from({ length: 300 }, (_, index) => {
      const value = encodeEvent(source.event(index));
      expect(reader.load(value, Buffer.from(tenant.id))).toBe(true);
      return reader.entry(memory);
    });
    await put(store(), entries);
    const all = queryOf(tenant, { direction: 'asc' });
    const found = (await store().query(all)).entries;
    expect(found.map(plainEntry)).toEqual(entries.map(plainEntry));
    // Each alone, also those with other characters than ASCII, by what the ways to it are made of.
    for (const { id, actor_email, raw_uri } of entries.slice(0, 60)) {
      const words = wordsOf(actor_email ?? '');
      expect(await idsOf(store(), queryOf(tenant, { words }))).toContain(id);
      const filters = [only('raw_uri', raw_uri ?? ''), only('actor_email', actor_email ?? '')];
      expect(await idsOf(store(), queryOf(tenant, { filters }))).toContain(id);
    }
  });

  it('moves the position with the events, in one step', async () => {
    const topic = newName('topic');
    const tenant = newTenant();
    expect(await store().position(topic, 3)).toBeUndefined();
    const lastRead = { offset: 9, timestampMs: 1_800_000_000_000 };
    const first = { ...batch, topic, partition: 3, from: undefined, to: { next: 10, lastRead } };
    const entries = [auditEntry({ tenant, id: 'a' }), auditEntry({ tenant, id: 'b' })];
    expect(await store().append({ ...first, entries })).toEqual({ stored: 2 });
    expect(await other().position(topic, 3)).toEqual({ next: 10, lastRead });
    expect(await other().position(topic, 4)).toBeUndefined();
  });

  it.each([
    ['a position where there is none', 5],
    ['none where there is a position', undefined],
    ['another position', 11],
  ])('stores nothing of a batch that begins at %s', async (_, from) => {
    const topic = newName('topic');
    const tenant = newTenant();
    if (from !== 5) {
      const to = { next: 10, lastRead: null };
      await store().append({ ...batch, topic, from: undefined, to });
    }
    const before = await store().position(topic, 0);
    const late = {
      topic,
      partition: 0,
      from,
      to: { next: 99, lastRead: null },
      entries: [auditEntry({ tenant, id: 'late' })],
      deadLetters: [letterAt(98)],
      gap: { from: 10, to: 11, reason: 'lost' },
    };
    expect(await other().append(late)).toBe('stale');
    expect(await store().position(topic, 0)).toEqual(before);
    expect(await idsOf(store(), queryOf(tenant))).toEqual([]);
    expect(await store().listGaps(topic)).toEqual([]);
    expect((await store().listDeadLetters(100)).filter((of) => of.topic === topic)).toEqual([]);
  });

  it('lets one of several win that append at the same position', async () => {
    const topic = newName('topic');
    const tenant = newTenant();
    const attempts = Array.from({ length: 6 }, (_, index) =>
      [store(), other()][index % 2]!.append({
        ...{ ...batch, topic, from: undefined, to: { next: 1, lastRead: null } },
        // Months that nobody has made yet, either.
        entries: [auditEntry({ tenant, id: `${index}`, timeMicros: MAY_21_MICROS * 1.2 })],
      }),
    );
    const results = await Promise.all(attempts);
    expect(results.filter((result) => result === 'stale')).toHaveLength(5);
    const query = queryOf(tenant, { beforeMicros: MAY_21_MICROS * 2 });
    expect(await idsOf(store(), query)).toHaveLength(1);
  });

  it('stores an event that was sent twice once, in one batch and in several', async () => {
    const tenant = newTenant();
    const stranger = newTenant();
    const event = auditEntry({ tenant, id: 'twice', actor_email: 'first' });
    const again = { ...event, timeMicros: event.timeMicros + 1, actor_email: 'second' };
    await put(store(), [event, again]);
    await put(other(), [again, auditEntry({ tenant: stranger, id: 'twice' })]);
    const { entries } = await store().query(queryOf(tenant));
    expect(entries).toEqual([event]);
    expect(await idsOf(store(), queryOf(stranger))).toEqual(['twice']);
  });

  it('stores events once that several store at the same moment', async () => {
    const tenant = newTenant();
    const entries = Array.from({ length: 300 }, (_, index) =>
      auditEntry({ tenant, id: `${index}`, timeMicros: MAY_21_MICROS * 1.3 + index }),
    );
    const results = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        [store(), other()][index % 2]!.append({
          ...{ ...batch, topic: newName('topic'), from: undefined },
          ...{ to: { next: 1, lastRead: null }, entries },
        }),
      ),
    );
    const stored = results.map((result) => (result === 'stale' ? -1 : result.stored));
    expect(stored.toSorted((a, b) => b - a)).toEqual([300, 0, 0, 0, 0, 0]);
    const query = queryOf(tenant, { beforeMicros: MAY_21_MICROS * 2, limit: 1000 });
    expect(await idsOf(other(), query)).toHaveLength(300);
  });

  it('stores events of any month', async () => {
    const tenant = newTenant();
    const times = [-400, -31, 0, 15, 399].map((days) => MAY_21_MICROS + days * DAY_MICROS);
    await put(
      store(),
      times.map((timeMicros, index) => auditEntry({ tenant, id: `${index}`, timeMicros })),
    );
    expect(await idsOf(other(), queryOf(tenant))).toEqual(['4', '3', '2', '1', '0']);
  });

  it('keeps dead letters whole, each once, and gaps', async () => {
    const topic = newName('topic');
    const at = { topic, partition: 1, entries: [] };
    const gap = { from: 0, to: 7, reason: 'retention has passed it' };
    const letters = [letterAt(7), { ...letterAt(8), key: null, value: null }];
    const first = { from: undefined, to: { next: 9, lastRead: null }, deadLetters: letters };
    expect(await store().append({ ...at, ...first, gap })).toEqual({ stored: 0 });
    const again = { from: 9, to: { next: 10, lastRead: null }, deadLetters: letters.slice(0, 1) };
    await store().append({ ...at, ...again });
    const kept = (await store().listDeadLetters(1000)).filter((letter) => letter.topic === topic);
    expect(kept.map(({ offset }) => offset)).toEqual([8, 7]);
    const { key, value } = kept[1]!;
    const whole = { ...kept[1], key: Buffer.from(key!), value: Buffer.from(value!) };
    expect(whole).toEqual({ ...letterAt(7), topic, partition: 1 });
    expect(kept[0]).toMatchObject({ key: null, value: null });
    expect(await store().listGaps(topic)).toEqual([{ partition: 1, ...gap }]);
  });
}

function letterAt(offset: number) {
  return {
    offset,
    timestampMs: 1_800_000_000_000,
    reason: 'not_avro',
    message: 'it is not Avro',
    key: Buffer.from('acme'),
    value: Buffer.from([0, 1, 2]),
  };
}
