import type { AuditCount, AuditCounting, AuditField } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { auditEntry, MAY_21_MICROS } from '../../audit-entry.ts';
import { MemoryAuditStore } from '../../memory-audit-store.ts';
import { SeededRandom } from '../../random.ts';
import { DAY_MICROS, newTenant, not, only, put, queryOf, type Suite } from './suite.ts';

const EVENTS = 4000;
const QUERIES = 40;
const HOUR_MICROS = DAY_MICROS / 24;

export function countContract({ store, rounds }: Suite): void {
  describe('counts', () => {
    it('are of what the tenant has in the range', async () => {
      const [tenant, other] = [newTenant(), newTenant()];
      const times = [-1, 0, HOUR_MICROS, 2 * HOUR_MICROS - 1, 2 * HOUR_MICROS];
      for (const each of [tenant, other]) {
        await put(
          store(),
          times.map((offset, index) =>
            auditEntry({
              ...{ tenant: each, id: String(index), timeMicros: MAY_21_MICROS + offset },
              ...{ actor_email: index === 1 ? null : 'ann\0', raw_status_code: index || null },
            }),
          ),
        );
      }
      const range = {
        ...{ tenant, sinceMicros: MAY_21_MICROS, beforeMicros: MAY_21_MICROS + 2 * HOUR_MICROS },
        filters: [],
      };
      const count = async (of: Partial<AuditCounting>) =>
        inOrder(await store().count({ ...range, by: [], ...of }));
      expect(await count({})).toEqual([{ startMicros: 0, values: [], count: 3 }]);
      expect(await count({ intervalMicros: HOUR_MICROS })).toEqual([
        { startMicros: MAY_21_MICROS, values: [], count: 1 },
        { startMicros: MAY_21_MICROS + HOUR_MICROS, values: [], count: 2 },
      ]);
      expect(await count({ by: ['actor_email'] })).toEqual([
        { startMicros: 0, values: [''], count: 1 },
        { startMicros: 0, values: ['ann\0'], count: 2 },
      ]);
      expect(await count({ by: ['raw_status_code', 'zone_id'], words: ['ann'] })).toEqual([
        { startMicros: 0, values: [2, ''], count: 1 },
        { startMicros: 0, values: [3, ''], count: 1 },
      ]);
      expect(await count({ beforeMicros: range.sinceMicros })).toEqual([]);
      expect(await count({ tenant: newTenant() })).toEqual([]);
    });

    it('are those of a plain list', { timeout: 60_000 }, async () => {
      const random = new SeededRandom(31);
      const tenant = newTenant();
      const entries = Array.from({ length: EVENTS }, (_, index) =>
        auditEntry({
          ...{ tenant, id: `event ${index}` },
          timeMicros: MAY_21_MICROS - random.between(0, 90 * 86_400) * 1_000_000,
          action_result: random.chance(0.01) ? 'failure' : 'success',
          // Some are too long for any index.
          actor_email: `${random.between(0, 20)}${random.chance(0.02) ? 'x'.repeat(3000) : ''}`,
          resource_product: random.pick(['dns', 'workers', null]),
          zone_id: random.chance(0.005) ? 'rare' : `zone ${random.between(0, 3)}`,
          raw_status_code: random.pick([200, 503, null]),
        }),
      );
      const model = new MemoryAuditStore();
      await put(model, entries);
      await put(store(), entries);
      const fields: readonly AuditField[] = [
        ...(['action_result', 'actor_email', 'resource_product', 'raw_status_code'] as const),
        ...(['zone_id', 'zone_name'] as const),
      ];
      for (let round = 0; round < rounds(QUERIES); round += 1) {
        const { sinceMicros, beforeMicros } = queryOf(tenant);
        const query: AuditCounting = {
          ...{ tenant, beforeMicros },
          sinceMicros: random.chance(0.5) ? sinceMicros : MAY_21_MICROS - 20 * DAY_MICROS - 7,
          by: fields.filter(() => random.chance(0.3)),
          filters: [
            ...(random.chance(0.3) ? [only('action_result', 'failure')] : []),
            ...(random.chance(0.2) ? [not('resource_product', 'dns')] : []),
            ...(random.chance(0.2) ? [only('zone_id', 'rare')] : []),
          ],
          ...(random.chance(0.3) ? { words: ['1'] } : {}),
          ...(random.chance(0.5) ? { intervalMicros: random.pick([HOUR_MICROS, DAY_MICROS]) } : {}),
        };
        const expected = inOrder(await model.count(query));
        expect(inOrder(await store().count(query)), JSON.stringify(query)).toEqual(expected);
      }
    });
  });
}

function inOrder(counts: readonly AuditCount[]): readonly AuditCount[] {
  const keyOf = ({ startMicros, values }: AuditCount) =>
    `${String(startMicros).padStart(20)} ${JSON.stringify(values)}`;
  return counts.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
