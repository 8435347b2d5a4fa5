import type { AuditEntry, AuditFilter, AuditQuery, Tenant } from '@trailpush/core';
import { describe, expect, it } from 'vitest';
import { auditEntry, MAY_21_MICROS } from '../../audit-entry.ts';
import { MemoryAuditStore } from '../../memory-audit-store.ts';
import { SeededRandom } from '../../random.ts';
import { DAY_MICROS, idsOf, newTenant, put, queryOf, type Suite } from './suite.ts';

const EVENTS = 6000;
const QUERIES = 60;

/**
 * Enough events over several months that queries change from one plan to another, compared with the
 * plain store. Values are common, rare, rare for a while, and missing.
 */
export function modelContract({ store, rounds }: Suite): void {
  describe('many events', () => {
    it('are found as a plain list would find them', { timeout: 60_000 }, async () => {
      const random = new SeededRandom(7);
      const tenants = [newTenant(), newTenant()] as const;
      const entries = Array.from({ length: EVENTS }, (_, index) =>
        randomEntry(random, random.chance(0.9) ? tenants[0] : tenants[1], index),
      );
      const model = new MemoryAuditStore();
      for (let at = 0; at < EVENTS; at += 1000) {
        await put(model, entries.slice(at, at + 1000));
        await put(store(), entries.slice(at, at + 1000));
      }
      for (let round = 0; round < rounds(QUERIES); round += 1) {
        const query = randomQuery(random, tenants[0]);
        const expected = await idsOf(model, query);
        expect(await idsOf(store(), query), JSON.stringify(query)).toEqual(expected);
      }
    });
  });
}

function randomEntry(random: SeededRandom, tenant: Tenant, index: number): AuditEntry {
  const day = random.between(0, 119);
  return auditEntry({
    ...{ tenant, id: `event ${index}` },
    timeMicros: MAY_21_MICROS - day * DAY_MICROS + random.between(0, 5) * 1_000_000,
    action_type: random.pick(['create', 'update', 'delete', 'view']),
    action_result: random.chance(0.01) ? 'failure' : 'success',
    actor_email: random.chance(0.5) ? 'boss@example.com' : `${random.between(0, 500)}@example.com`,
    // Common once, and never again.
    resource_product: day > 80 ? 'old' : random.pick(['dns', 'workers', 'access']),
    zone_id: random.chance(0.3) ? `zone ${random.between(0, 3)}` : null,
    raw_status_code: random.chance(0.01) ? 503 : 200,
  });
}

function randomQuery(random: SeededRandom, tenant: Tenant): AuditQuery {
  const filters: AuditFilter[] = [];
  const add = (field: AuditFilter['field'], ...values: (string | number)[]) => {
    filters.push({ field, values, isNegated: random.chance(0.25) });
  };
  if (random.chance(0.3)) add('action_type', random.pick(['create', 'view', 'missing']));
  if (random.chance(0.3)) add('action_result', 'failure');
  if (random.chance(0.3)) add('actor_email', 'boss@example.com', '7@example.com');
  if (random.chance(0.2)) add('actor_email', `${random.between(0, 500)}@example.com`);
  if (random.chance(0.3)) add('resource_product', random.pick(['old', 'dns', 'missing']));
  if (random.chance(0.3)) add('zone_id', random.pick(['zone 1', '', 'missing']));
  if (random.chance(0.2)) add('raw_status_code', random.pick([503, 418]));
  const sinceMicros = MAY_21_MICROS - random.between(1, 120) * DAY_MICROS;
  return queryOf(tenant, {
    filters,
    sinceMicros,
    beforeMicros: sinceMicros + random.between(1, 120) * DAY_MICROS,
    direction: random.pick(['asc', 'desc'] as const),
    limit: random.pick([100, 333, 1000]),
  });
}
