import { wordsOf, type AuditEntry } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { auditEntry, MAY_21_MICROS } from '../../audit-entry.ts';
import { MemoryAuditStore } from '../../memory-audit-store.ts';
import { SeededRandom } from '../../random.ts';
import { DAY_MICROS, idsOf, newTenant, not, only, put, queryOf, type Suite } from './suite.ts';

const EVENTS = 800;
const QUERIES = 50;
const PIECES = [
  ...[
    'dns',
    'DNS_record',
    'zone',
    'Zones',
    'ann@example.com',
    'Éa',
    'e\u0301a',
    'straße',
    'STRASSE',
  ],
  ...[
    '本番環境',
    'x\0y',
    '\u0001',
    '100%',
    '_',
    "o'ne",
    '\\',
    'a/b/c',
    '🚀',
    'ﬁle',
    '\ud83d',
    'ΟΔΟΣ',
  ],
];

export function searchContract({ store, rounds }: Suite): void {
  describe('a search for words', () => {
    it('finds what has all of them, in any searched text, by their beginnings', async () => {
      const tenant = newTenant();
      const texts = [
        { action_description: 'Add Member' },
        { actor_email: 'member@example.com' },
        { actor_id: 'MEMBER' },
        { actor_token_name: 'add & member' },
        { resource_type: 'member' },
        { resource_product: 'members' },
        { resource_id: 'x-member-1' },
        { raw_uri: '/accounts/1/members/add' },
        { raw_user_agent: 'add member', zone_name: 'member', actor_type: 'member' },
        { action_description: 'remember' },
      ];
      const entries = texts.map((facts, index) =>
        auditEntry({ tenant, id: String(index), timeMicros: MAY_21_MICROS - index, ...facts }),
      );
      await put(store(), entries);
      const find = (text: string) => idsOf(store(), queryOf(tenant, { words: wordsOf(text) }));
      expect(await find('member')).toEqual('01234567'.split(''));
      expect(await find('MEM')).toEqual('01234567'.split(''));
      expect(await find('members')).toEqual(['5', '7']);
      expect(await find('member, add!')).toEqual(['0', '3', '7']);
      expect(await find('example.com member')).toEqual(['1']);
      expect(await find('missing')).toEqual([]);
    });

    it('finds by long texts, which no index holds', async () => {
      const tenant = newTenant();
      const many = Array.from({ length: 190 }, (_, index) => `Wörter${index}-${'ü'.repeat(50)}`);
      const long = { action_description: many.join(' '), actor_email: '\u0001'.repeat(3000) };
      const entries = Array.from({ length: 40 }, (_, index) =>
        auditEntry({
          ...{ tenant, id: String(index), timeMicros: MAY_21_MICROS - index },
          ...(index % 3 === 0 ? long : { action_description: 'wörter' }),
        }),
      );
      await put(store(), entries);
      const words = wordsOf('WÖRTER');
      const all = entries.map(({ id }) => id);
      expect(await idsOf(store(), queryOf(tenant, { words, limit: 7 }))).toEqual(all);
      const rare = await idsOf(store(), queryOf(tenant, { words: wordsOf('wörter189'), limit: 7 }));
      expect(rare).toEqual(all.filter((id) => Number(id) % 3 === 0));
    });

    it('finds as a plain list would, beside filters', { timeout: 60_000 }, async () => {
      const random = new SeededRandom(23);
      const tenant = newTenant();
      const entries = Array.from({ length: EVENTS }, (_, index) => randomEntry(index));
      const model = new MemoryAuditStore();
      await put(model, entries);
      await put(store(), entries);
      for (let round = 0; round < rounds(QUERIES); round += 1) {
        const query = queryOf(tenant, {
          words: wordsOf(
            `${random.pick(PIECES)} ${random.chance(0.4) ? random.pick(PIECES) : 'd'}`,
          ),
          filters: [
            ...(random.chance(0.3) ? [only('action_result', 'failure')] : []),
            ...(random.chance(0.3) ? [not('resource_product', 'dns')] : []),
            ...(random.chance(0.2) ? [only('zone_id', 'z1')] : []),
          ],
          direction: random.pick(['asc', 'desc'] as const),
          limit: random.pick([10, 1000]),
          sinceMicros: MAY_21_MICROS - random.between(0, 90) * DAY_MICROS,
        });
        const expected = await idsOf(model, query);
        expect(await idsOf(store(), query), JSON.stringify(query)).toEqual(expected);
      }

      function randomEntry(index: number): AuditEntry {
        const text = () =>
          random.chance(0.2)
            ? null
            : Array.from({ length: random.between(0, 3) }, () => random.pick(PIECES)).join(
                random.pick([' ', '', '-']),
              );
        return auditEntry({
          ...{ tenant, id: `event ${index}` },
          timeMicros: MAY_21_MICROS - random.between(0, 90) * DAY_MICROS,
          action_description: text(),
          actor_email: text(),
          actor_token_name: text(),
          raw_uri: text(),
          resource_id: text(),
          resource_product: random.pick(['dns', 'workers', null]),
          action_result: random.chance(0.1) ? 'failure' : 'success',
          zone_id: random.chance(0.02) ? 'z1' : null,
        });
      }
    });
  });
}
