import { randomUUID } from 'node:crypto';

import { MAX_SAVED_QUERIES, type EventsOf, type SavedQuery } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { newName, type Suite } from './suite.ts';

export function savedQueryContract(suite: Suite): void {
  const store = () => suite.stores().savedQueries;
  const newQuery = (accountId: string) => ({
    ...{ accountId, id: randomUUID(), name: 'Änderungen', createdBy: 'ann@example.com' },
    query: '{"search":"dns"}',
  });
  const events: EventsOf<SavedQuery> = ({ name }) => [`event ${name}`];
  const drain = async () => {
    const entries = await suite.stores().outbox.take(1000, 60_000);
    await suite.stores().outbox.remove(entries.map(({ id }) => id));
    return entries.map(({ line }) => line);
  };

  describe('a saved query', () => {
    it('is stored, changed and deleted, each with its event', async () => {
      await drain();
      const account = newName('account');
      const order = newQuery(account);
      const created = await store().create(order, events);
      const { createdAtMs } = created!;
      expect(created).toEqual({ ...order, createdAtMs, updatedAtMs: createdAtMs });
      expect(await store().get(account, order.id)).toEqual(created);
      const change = { name: 'other', query: '{}' };
      const changed = await store().update(account, order.id, change, events);
      expect(changed).toMatchObject({ ...order, ...change, createdAtMs });
      expect(await store().list(account)).toEqual([changed]);
      expect(await store().delete(account, order.id, events)).toEqual(changed);
      expect(await store().delete(account, order.id, events)).toBeUndefined();
      expect(await store().update(account, order.id, change, events)).toBeUndefined();
      expect(await store().list(account)).toEqual([]);
      expect(await drain()).toEqual(['event Änderungen', 'event other', 'event other']);
    });

    it('belongs to its account', async () => {
      const [account, other] = [newName('account'), newName('account')];
      const query = newQuery(account);
      await store().create(query);
      expect(await store().get(other, query.id)).toBeUndefined();
      expect(await store().list(other)).toEqual([]);
      expect(await store().update(other, query.id, { name: 'x', query: '{}' })).toBeUndefined();
      expect(await store().delete(other, query.id)).toBeUndefined();
      expect((await store().get(account, query.id))?.name).toBe(query.name);
    });

    it('is one of so many, also when several are saved at one moment', async () => {
      const account = newName('account');
      const create = (count: number) =>
        Promise.all(Array.from({ length: count }, () => store().create(newQuery(account))));
      expect(await create(MAX_SAVED_QUERIES - 1)).not.toContain(undefined);
      const last = await create(8);
      expect(last.filter((query) => query !== undefined)).toHaveLength(1);
      expect(await store().list(account)).toHaveLength(MAX_SAVED_QUERIES);
      expect(await store().create(newQuery(newName('account')))).toBeDefined();
    });
  });
}
