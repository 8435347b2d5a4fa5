import { expect, it } from 'vitest';
import { auditEntry } from '../../audit-entry.ts';
import { newTenant } from '../audit-store/suite.ts';
import { microsOf, newYear, policyAt, takeLines, type RetentionSuite } from './suite.ts';

const HOLD = { reason: 'case 7', by: 'ann', sinceMs: 1_800_000_000_000 };

export function ruleContract({ retention, other }: RetentionSuite): void {
  it('knows nothing of a tenant without a rule', async () => {
    const tenant = newTenant();
    expect(await retention().rule(tenant)).toEqual({ tenant, months: null, hold: null });
  });

  it('changes months and hold apart, with an event about each', async () => {
    const tenant = newTenant();
    await takeLines(retention());
    const describe = (before: unknown, after: unknown) => JSON.stringify({ before, after });
    const first = { tenant, months: 3, hold: null };
    expect(await retention().changeRule(tenant, { months: 3 }, describe)).toEqual(first);
    const held = { tenant, months: 3, hold: HOLD };
    expect(await other().changeRule(tenant, { hold: HOLD }, describe)).toEqual(held);
    expect(await retention().rule(tenant)).toEqual(held);
    expect(await other().listRules()).toContainEqual(held);
    await retention().changeRule(tenant, { hold: null }, describe);
    const last = { tenant, months: null, hold: null };
    expect(await retention().changeRule(tenant, { months: null }, describe)).toEqual(last);
    expect((await retention().listRules()).map((rule) => rule.tenant)).not.toContainEqual(tenant);
    expect(await takeLines(other())).toEqual([
      { before: { ...last }, after: first },
      { before: first, after: held },
      { before: held, after: first },
      { before: first, after: last },
    ]);
  });

  it('keeps an account and an organization of one id apart', async () => {
    const tenant = newTenant();
    const organization = { kind: 'organization', id: tenant.id } as const;
    await retention().changeRule(tenant, { months: 5 }, () => '{}');
    expect((await retention().rule(organization)).months).toBeNull();
  });

  it('tells which entries have expired, each by the rule of its tenant', async () => {
    const [plain, longer, shorter, held] = [newTenant(), newTenant(), newTenant(), newTenant()];
    await retention().changeRule(longer, { months: 0 }, () => '{}');
    await retention().changeRule(shorter, { months: 1 }, () => '{}');
    await retention().changeRule(held, { hold: HOLD }, () => '{}');
    const year = newYear();
    const at = (month: number, day: number) =>
      [plain, longer, shorter, held].map((tenant) =>
        auditEntry({ tenant, id: `${month} ${day}`, timeMicros: microsOf(year, month, day) }),
      );
    const entries = [...at(1, 31), ...at(2, 1), ...at(7, 1)];
    const expired = await other().findExpired(entries, policyAt(year, 8, 6));
    expect([...expired].map(({ tenant, id }) => [tenant.id, id])).toEqual([
      [plain.id, '1 31'],
      [shorter.id, '1 31'],
      [shorter.id, '2 1'],
    ]);
    expect((await retention().findExpired([], policyAt(year, 8))).size).toBe(0);
  });

  it('gives the lease to one owner, until it is over', async () => {
    expect(await retention().lease('one', 60_000)).toBe(true);
    expect(await other().lease('two', 60_000)).toBe(false);
    expect(await other().lease('one', -1)).toBe(true);
    expect(await other().lease('two', -1)).toBe(true);
  });
}
