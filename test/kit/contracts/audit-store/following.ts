import type { AuditEntry, AuditFollow, AuditStore, Tenant } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { auditEntry, MAY_21_MICROS } from '../../audit-entry.ts';
import { DAY_MICROS, newTenant, not, only, put, type Suite } from './suite.ts';

export function followContract({ store, other }: Suite): void {
  describe('events in order of ingestion', () => {
    it('come as they were stored, whenever they happened, and then what is new', async () => {
      const tenant = newTenant();
      const days = [0, -70, 3, -1, -400, 0];
      const entries = days.map((day, index) => entryAt(tenant, `${index}`, day));
      for (const entry of entries) {
        await put(store(), [entry]);
        await put(store(), [entryAt(newTenant(), 'foreign', 0)]);
      }
      const reader = new Reader(other(), tenant, { limit: 2 });
      expect(await reader.readAll()).toEqual(entries);
      expect(await reader.readAll()).toEqual([]);
      const late = [entryAt(tenant, 'late', -300), entryAt(tenant, 'later', -301)];
      await put(store(), [late[0]!]);
      await put(store(), [late[1]!, entries[0]!]);
      expect(await reader.readAll()).toEqual(late);
      expect(await reader.readAll()).toEqual([]);
    });

    it('begin before the first event of a tenant', async () => {
      const reader = new Reader(store(), newTenant());
      expect(await reader.readAll()).toEqual([]);
      const entry = entryAt(reader.tenant, 'first', 0);
      await put(store(), [entry]);
      expect(await reader.readAll()).toEqual([entry]);
    });

    it('are of the range of time, and pass the filters', async () => {
      const tenant = newTenant();
      const entries = Array.from({ length: 40 }, (_, index) => ({
        ...entryAt(tenant, `${index}`, -index * 5),
        zone_id: `zone ${index % 3}`,
      }));
      await put(store(), entries);
      const sinceMicros = entries[20]!.timeMicros;
      const beforeMicros = entries[2]!.timeMicros;
      const range = { sinceMicros, beforeMicros, limit: 4 };
      const inRange = entries.slice(3, 21);
      expect(await new Reader(store(), tenant, range).readAll()).toEqual(inRange);
      const one = new Reader(store(), tenant, { ...range, filters: [only('zone_id', 'zone 1')] });
      expect(await one.readAll()).toEqual(inRange.filter(({ zone_id }) => zone_id === 'zone 1'));
      const rest = new Reader(store(), tenant, { ...range, filters: [not('zone_id', 'zone 1')] });
      expect(await rest.readAll()).toEqual(inRange.filter(({ zone_id }) => zone_id !== 'zone 1'));
      const none = new Reader(store(), tenant, { filters: [only('zone_id', 'zone 4')] });
      expect(await none.readAll()).toEqual([]);
      await put(store(), [{ ...entryAt(tenant, 'new', -7), zone_id: 'zone 4' }]);
      expect(await none.readAll()).toHaveLength(1);
    });

    it('are all read by one who reads while several write', async () => {
      const tenant = newTenant();
      const reader = new Reader(store(), tenant, { limit: 50 });
      const state = { isWriting: true };
      const write = async (to: AuditStore, name: string) => {
        for (let batch = 0; batch < 12; batch += 1) {
          const ids = Array.from({ length: 40 }, (_, index) => `${name} ${batch} ${index}`);
          await put(
            to,
            ids.map((id, index) => entryAt(tenant, id, -((index * 7) % 90))),
          );
        }
      };
      const writing = Promise.all([
        write(store(), 'a'),
        write(other(), 'b'),
        write(other(), 'c'),
      ]).finally(() => (state.isWriting = false));
      const ids: string[] = [];
      const read = async () => ids.push(...(await reader.readAll()).map(({ id }) => id));
      while (state.isWriting) await read();
      await writing;
      await read();
      expect(ids).toHaveLength(3 * 12 * 40);
      expect(new Set(ids).size).toBe(ids.length);
    });
  });
}

function entryAt(tenant: Tenant, id: string, day: number): AuditEntry {
  return auditEntry({ tenant, id, timeMicros: MAY_21_MICROS + day * DAY_MICROS });
}

/** A collector that polls. */
class Reader {
  readonly tenant: Tenant;
  readonly #store: AuditStore;
  readonly #query: Omit<AuditFollow, 'after'>;
  #after = 0;

  constructor(store: AuditStore, tenant: Tenant, changes: Partial<AuditFollow> = {}) {
    this.#store = store;
    this.tenant = tenant;
    this.#query = {
      tenant,
      ...{ sinceMicros: 0, beforeMicros: Number.MAX_SAFE_INTEGER, limit: 1000, filters: [] },
      ...changes,
    };
  }

  /** Everything that is new, until there is no more. */
  async readAll(): Promise<AuditEntry[]> {
    const entries: AuditEntry[] = [];
    for (;;) {
      const page = await this.#store.follow({ ...this.#query, after: this.#after });
      if (page.next < this.#after) throw new Error('a reader was sent back');
      if (page.entries.length > this.#query.limit) throw new Error('a page is too long');
      if (page.next === this.#after) return entries;
      entries.push(...page.entries);
      this.#after = page.next;
    }
  }
}
