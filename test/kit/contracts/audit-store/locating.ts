import type { AuditQuery } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { auditEntry, MAY_21_MICROS } from '../../audit-entry.ts';
import { idsOf, newTenant, only, put, queryOf, type Suite } from './suite.ts';

/** Spellings of addresses, and what is none. */
const ADDRESSES = [
  ...['10.0.0.0', '10.1.2.3', '10.15.255.255', '10.16.0.0', '11.0.0.0', '1.10.0.0', '110.0.0.1'],
  ...['::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3', '::10.1.2.3'],
  ...['2001:db8::1', '2001:DB8:0:0::0001', '2001:db8:7fff::', '2001:db8:8000::', '2001:db9::'],
  ...['fe80::1', '', '10.1.2', '10.1.2.3 ', 'x10.1.2.3', '10.1.2.300', 'localhost', null],
];

/** What each range holds, by the rules of addresses and not of any library. */
const RANGES: readonly (readonly [range: string, held: readonly string[]])[] = [
  [
    '10.0.0.0/12',
    [
      ...['10.0.0.0', '10.1.2.3', '10.15.255.255'],
      ...['::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3'],
    ],
  ],
  ['10.15.255.254/31', ['10.15.255.255']],
  ['10.1.2.3', ['10.1.2.3', '::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3']],
  ['10.1.99.99/16', ['10.1.2.3', '::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3']],
  [
    '0.0.0.0/0',
    [
      ...['10.0.0.0', '10.1.2.3', '10.15.255.255', '10.16.0.0', '11.0.0.0', '1.10.0.0'],
      ...['110.0.0.1', '::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3'],
    ],
  ],
  ['2001:db8::/33', ['2001:db8::1', '2001:DB8:0:0::0001', '2001:db8:7fff::']],
  ['2001:db8::1/128', ['2001:db8::1', '2001:DB8:0:0::0001']],
  ['::ffff:10.16.0.0/108', ['10.16.0.0']],
  ['::/96', ['::10.1.2.3']],
];

export function locateContract({ store }: Suite): void {
  describe('a range of addresses', () => {
    it.each(RANGES)(
      '%s holds every spelling of what lies within, and nothing else',
      async (...of) => {
        const [addressRange, held] = of;
        const tenant = newTenant();
        await put(
          store(),
          ADDRESSES.map((actor_ip_address, index) =>
            auditEntry({
              ...{ tenant, id: `<${String(actor_ip_address)}>`, actor_ip_address },
              timeMicros: MAY_21_MICROS - index,
            }),
          ),
        );
        const expected = ADDRESSES.filter((each) => held.includes(String(each)));
        const found = await idsOf(store(), queryOf(tenant, { addressRange, limit: 2 }));
        expect(found).toEqual(expected.map((each) => `<${String(each)}>`));
      },
    );

    it('goes together with filters, among many events that nearly fit', async () => {
      const tenant = newTenant();
      const entries = Array.from({ length: 2500 }, (_, index) =>
        auditEntry({
          ...{ tenant, id: String(index), timeMicros: MAY_21_MICROS - index * 1000 },
          // The same octets, but only some of the bits.
          actor_ip_address: `10.0.0.${index % 250}`,
          zone_id: index % 50 === 1 ? 'rare' : null,
        }),
      );
      await put(store(), entries);
      const idsWhere = (isIt: (index: number) => boolean) =>
        entries.map(({ id }) => id).filter((id) => isIt(Number(id)));
      const range = { addressRange: '10.0.0.0/31' };
      expect(await idsOf(store(), queryOf(tenant, { ...range, limit: 7 }))).toEqual(
        idsWhere((index) => index % 250 < 2),
      );
      const filters = [only('zone_id', 'rare')];
      expect(await idsOf(store(), queryOf(tenant, { ...range, filters, limit: 3 }))).toEqual(
        idsWhere((index) => index % 250 === 1),
      );
    });
  });

  describe('located events', () => {
    it.each(['asc', 'desc'] as const)('are those of the pages, %s', async (direction) => {
      const tenant = newTenant();
      const entries = Array.from({ length: 30 }, (_, index) =>
        auditEntry({
          ...{ tenant, id: `event ${index}`, metadata: '{"a":1}' },
          // Two at each time, over some months.
          timeMicros: MAY_21_MICROS - Math.floor(index / 2) * 8 * 86_400_000_000,
        }),
      );
      await put(store(), entries);
      const query: AuditQuery = queryOf(tenant, { direction });
      const { entries: all } = await store().query(query);
      const hits = await store().locate({ ...query, limit: 25 });
      expect(await store().read(query, hits)).toEqual(all.slice(0, 25));
      expect(await store().read(query, hits.slice(10, 15))).toEqual(all.slice(10, 15));
      const after = hits[9];
      const rest = await store().locate({ ...query, ...(after && { after }), limit: 5 });
      expect(rest).toEqual(hits.slice(10, 15));
      expect(new Set(hits.map(({ bytes }) => bytes))).toEqual(new Set([14, 15]));
    });

    it('are of one tenant alone, and have a place of their own in the store', async () => {
      const [a, b] = [newTenant(), newTenant()];
      await put(store(), [auditEntry({ tenant: a, id: 'a' }), auditEntry({ tenant: b, id: 'b' })]);
      const [[ofA], [ofB]] = await Promise.all([
        store().locate(queryOf(a)),
        store().locate(queryOf(b)),
      ]);
      expect(ofA?.timeMicros).toBe(ofB?.timeMicros);
      expect(ofA?.sequence).not.toBe(ofB?.sequence);
      expect(await store().read(queryOf(a), [ofB!])).toEqual([]);
      expect(await store().read(queryOf(b), [ofB!])).toMatchObject([{ id: 'b' }]);
      expect(await store().locate(queryOf(newTenant()))).toEqual([]);
      expect(await store().read(queryOf(newTenant()), [ofB!])).toEqual([]);
      const gone = { timeMicros: 0, sequence: 1 };
      expect(await store().read(queryOf(a), [ofA!, gone])).toMatchObject([{ id: 'a' }]);
    });

    it('belong to accounts that can be listed', async () => {
      const [a, b] = [newTenant(), newTenant()];
      const organization = { kind: 'organization', id: newTenant().id } as const;
      await put(
        store(),
        [b, a, organization, a].map((tenant, index) => auditEntry({ tenant, id: `${index}` })),
      );
      const listed = await store().listAccounts(10_000);
      expect(listed.filter((id) => [a.id, b.id, organization.id].includes(id))).toHaveLength(2);
      expect(await store().listAccounts(1)).toEqual(listed.slice(0, 1));
    });
  });
}
