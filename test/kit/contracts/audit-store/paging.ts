import { expect, it } from 'vitest';
import { auditEntry, MAY_21_MICROS } from '../../audit-entry.ts';
import { idsOf, newTenant, only, put, queryOf, type Suite } from './suite.ts';

export function pageContract({ store, other }: Suite): void {
  it('begins at since and ends before before, in microseconds', async () => {
    const tenant = newTenant();
    await put(
      store(),
      [-1, 0, 1, 2, 3].map((micros) =>
        auditEntry({ tenant, id: `${micros}`, timeMicros: MAY_21_MICROS + micros }),
      ),
    );
    const window = { sinceMicros: MAY_21_MICROS, beforeMicros: MAY_21_MICROS + 2 };
    expect(await idsOf(store(), queryOf(tenant, window))).toEqual(['1', '0']);
    const empty = { sinceMicros: MAY_21_MICROS, beforeMicros: MAY_21_MICROS };
    expect(await idsOf(store(), queryOf(tenant, empty))).toEqual([]);
  });

  it.each(['asc', 'desc'] as const)('pages %s through events of one time', async (direction) => {
    const tenant = newTenant();
    const ids = Array.from({ length: 25 }, (_, index) => String(index).padStart(2, '0'));
    await put(
      store(),
      ids.map((id) => auditEntry({ tenant, id })),
    );
    const found = await idsOf(store(), queryOf(tenant, { direction, limit: 4 }));
    expect(found).toEqual(direction === 'asc' ? ids : ids.toReversed());
  });

  it('has no next page when the last one is full', async () => {
    const tenant = newTenant();
    await put(store(), [auditEntry({ tenant, id: 'a' }), auditEntry({ tenant, id: 'b' })]);
    const page = await store().query(queryOf(tenant, { limit: 2 }));
    expect(page.entries).toHaveLength(2);
    expect(page.next).toBeUndefined();
  });

  it('neither repeats nor leaves out events while new ones arrive', async () => {
    const tenant = newTenant();
    const at = (name: string, index: number) =>
      auditEntry({ tenant, id: `${name}${index}`, timeMicros: MAY_21_MICROS + index * 1000 });
    const olds = Array.from({ length: 20 }, (_, index) => at('old', index));
    await put(store(), olds);
    const found: string[] = [];
    let page = await store().query(queryOf(tenant, { limit: 3 }));
    for (let round = 0; page.next; round += 1) {
      found.push(...page.entries.map(({ id }) => id));
      // Before, at and behind the place where the page ended.
      await put(
        store(),
        [at('new', round), at('same', 17 - 3 * round), at('late', 30)].map((e) => ({
          ...e,
          id: `${e.id}-${round}`,
        })),
      );
      page = await store().query(queryOf(tenant, { limit: 3, after: page.next }));
    }
    found.push(...page.entries.map(({ id }) => id));
    expect(new Set(found).size).toBe(found.length);
    expect(found.filter((id) => id.startsWith('old'))).toEqual(
      olds.map(({ id }) => id).toReversed(),
    );
  });

  it('shows no event twice in a page while others are stored', async () => {
    const tenant = newTenant();
    const make = (name: string, count: number) =>
      Array.from({ length: count }, (_, index) =>
        auditEntry({
          ...{ tenant, id: `${name} ${index}`, timeMicros: MAY_21_MICROS + index * 1000 },
          // Rare enough for the index.
          zone_id: index % 90 === 0 ? 'rare' : null,
        }),
      );
    await put(store(), make('old', 3000));
    const filters = [only('zone_id', 'rare')];
    for (let round = 0; round < 15; round += 1) {
      const state = { isStored: false };
      const storing = put(other(), make(`new ${round}`, 3000).slice(2500, 2900));
      void storing.finally(() => (state.isStored = true));
      while (!state.isStored) {
        const { entries } = await store().query(queryOf(tenant, { filters }));
        const ids = entries.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.filter((id) => id.startsWith('old'))).toHaveLength(34);
      }
      await storing;
    }
  });

  it('keeps tenants apart, also an account and an organization of one id', async () => {
    const tenant = newTenant();
    const organization = { kind: 'organization', id: tenant.id } as const;
    await put(store(), [
      auditEntry({ tenant, id: 'of the account', zone_id: 'z' }),
      auditEntry({ tenant: organization, id: 'of the organization', zone_id: 'z' }),
    ]);
    const filters = [only('zone_id', 'z')];
    expect(await idsOf(store(), queryOf(tenant, { filters }))).toEqual(['of the account']);
    expect(await idsOf(store(), queryOf(organization))).toEqual(['of the organization']);
    expect(await idsOf(store(), queryOf(newTenant()))).toEqual([]);
  });

  it('finds an event by its id and time', async () => {
    const tenant = newTenant();
    const entry = auditEntry({ tenant, id: 'wanted', timeMicros: MAY_21_MICROS + 654_321 });
    await put(store(), [entry, auditEntry({ tenant, id: 'other' })]);
    expect(await store().find(tenant, 'wanted', MAY_21_MICROS)).toEqual(entry);
    expect(await store().find(tenant, 'wanted', MAY_21_MICROS + 5_000_000)).toBeUndefined();
    expect(await store().find(tenant, 'missing', MAY_21_MICROS)).toBeUndefined();
    expect(await store().find(newTenant(), 'wanted', MAY_21_MICROS)).toBeUndefined();
  });
}
