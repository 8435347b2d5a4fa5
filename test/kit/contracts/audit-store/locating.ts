import type { AuditQuery } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { itemShape } from '../../../../services/api/src/audit/item.ts';
import { auditEntry, MAY_21_MICROS } from '../../audit-entry.ts';
import { idsOf, newTenant, only, put, queryOf, type Suite } from './suite.ts';

const YEAR_MICROS = 365 * 86_400_000_000;

/** What is written differently, or hardly, in JSON and SQL. */
const LINE_TEXTS = [
  ...[
    null,
    '',
    'plain',
    ',',
    '"quoted" \\ and \\u0041',
    "it's",
    'ä€😀',
    '\u2028\u2029\u007f\u00a0',
  ],
  ...['\b\f\n\r\t\u000b\u001f', 'a\0b', '\u0001', '\u00010', '\\u0001', '%s $1 ?', '{"a":null},'],
];

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

    it.each(['account', 'organization'] as const)('give the lines of an %s', async (kind) => {
      const tenant = { kind, id: newTenant().id };
      const query = queryOf(tenant, { sinceMicros: -(2 ** 52) });
      const shape = itemShape(tenant);
      const entries = LINE_TEXTS.map((text, index) => ({
        ...auditEntry({ tenant, id: `${index} ${text ?? ''}`, action_description: text }),
        ...{ account_name: text, actor_id: text, zone_name: text, resource_type: text },
        ...{ raw_uri: text, resource_request: text && JSON.stringify({ text }) },
        // Four in a month, in another order than they are stored in; the oldest are of before 1970.
        timeMicros:
          MAY_21_MICROS -
          YEAR_MICROS * 20 * Math.floor(index / 4) +
          [999_999, 120_000, 1, 0][index % 4]!,
        raw_status_code: text === null ? null : 200 + index,
      }));
      await put(store(), entries);
      for (const direction of ['asc', 'desc'] as const) {
        const hits = await store().locate({ ...query, direction });
        const read = await store().read({ ...query, direction }, hits);
        expect(read).toHaveLength(entries.length);
        // Those that a database leaves to us are not to hide the others.
        for (const [index, hit] of hits.entries()) {
          const line = await store().readLines({ ...query, direction }, [hit], shape);
          expect(line).toBe(shape.lineOf(read[index]!));
        }
        const all = await store().readLines({ ...query, direction }, hits, shape);
        expect(all).toBe(read.map(shape.lineOf).join(''));
        const isPlain = (index: number) => !/u000[01]/.test(JSON.stringify(read[index]));
        const plain = hits.filter((_, index) => isPlain(index));
        const lines = await store().readLines({ ...query, direction }, plain, shape);
        expect(lines).toBe(
          read
            .filter((_, index) => isPlain(index))
            .map(shape.lineOf)
            .join(''),
        );
      }
      expect(await store().readLines(queryOf(newTenant()), [], shape)).toBe('');
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
