import type { AuditDrop, Tenant } from '@trailpush/core';
import { expect, it } from 'vitest';
import { auditEntry } from '../../audit-entry.ts';
import { newTenant, put, queryOf } from '../audit-store/suite.ts';
import {
  enforce,
  microsOf,
  newYear,
  policyAt,
  putTimes,
  takeLines,
  timesOf,
  type RetentionSuite,
} from './suite.ts';

const HOLD = { reason: 'case 7', by: 'ann', sinceMs: 1_800_000_000_000 };

export function dropContract({ store, retention, other }: RetentionSuite): void {
  const only = (drops: readonly AuditDrop[], ...tenants: Tenant[]) =>
    drops
      .filter(({ tenant }) => tenants.some(({ id }) => id === tenant.id))
      .toSorted((a, b) => a.firstMicros - b.firstMicros || (a.tenant.id < b.tenant.id ? -1 : 1));

  it('drops what nobody needs, and tells each tenant what went and by which rule', async () => {
    const [a, b] = [newTenant(), newTenant()];
    const year = newYear();
    const [first, last, kept] = [microsOf(year, 1, 5), microsOf(year, 1, 31), microsOf(year, 2)];
    await putTimes(store(), a, [last, first, kept]);
    await putTimes(store(), b, [first]);
    expect(only(await enforce(retention(), policyAt(year + 1, 7)), a, b)).toEqual([]);
    await takeLines(retention());
    const drops = only(await enforce(retention(), policyAt(year + 1, 8)), a, b);
    const rule = { months: 18, isDefault: true };
    expect(drops).toEqual(
      [
        { tenant: a, events: 2, firstMicros: first, lastMicros: last, ...rule },
        { tenant: b, events: 1, firstMicros: first, lastMicros: first, ...rule },
      ].toSorted((x, y) => (x.tenant.id < y.tenant.id ? -1 : 1)),
    );
    const lines = (await takeLines(other())) as AuditDrop[];
    expect(only(lines, a, b)).toEqual(drops);
    expect(await timesOf(store(), a)).toEqual([kept]);
    expect(await timesOf(store(), b)).toEqual([]);
    expect(only(await enforce(other(), policyAt(year + 1, 8)), a, b)).toEqual([]);
  });

  it('removes a tenant with a shorter retention from a month that others keep', async () => {
    const [short, long] = [newTenant(), newTenant()];
    await retention().changeRule(short, { months: 2 }, () => '{}');
    const year = newYear();
    // More than one step.
    const times = Array.from({ length: 2500 }, (_, index) => microsOf(year, 3) + index * 1000);
    await putTimes(store(), short, times);
    await putTimes(store(), long, times.slice(0, 3));
    await takeLines(retention());
    const drops = only(await enforce(retention(), policyAt(year, 6)), short, long);
    const drop = {
      ...{ tenant: short, events: 2500, months: 2, isDefault: false },
      ...{ firstMicros: times[0], lastMicros: times.at(-1) },
    };
    expect(drops).toEqual([drop]);
    expect(only((await takeLines(retention())) as AuditDrop[], short)).toEqual([drop]);
    expect(await timesOf(store(), short)).toEqual([]);
    expect(await timesOf(store(), long)).toEqual(times.slice(0, 3));
  });

  it('keeps what is held, and what has a longer retention, and moves on', async () => {
    const [held, long, gone] = [newTenant(), newTenant(), newTenant()];
    await retention().changeRule(held, { hold: HOLD }, () => '{}');
    await retention().changeRule(long, { months: 0 }, () => '{}');
    const year = newYear();
    const times = [microsOf(year, 1), microsOf(year, 2)];
    await putTimes(store(), held, times.slice(0, 1));
    await putTimes(store(), long, times.slice(1));
    await putTimes(store(), gone, times);
    const drops = only(await enforce(retention(), policyAt(year + 3, 1)), held, long, gone);
    expect(drops.map(({ tenant, events }) => [tenant, events])).toEqual([
      [gone, 1],
      [gone, 1],
    ]);
    expect(await timesOf(store(), held)).toEqual(times.slice(0, 1));
    expect(await timesOf(store(), long)).toEqual(times.slice(1));
    await retention().changeRule(held, { hold: null }, () => '{}');
    expect(only(await enforce(retention(), policyAt(year + 3, 1)), held)).toMatchObject([
      { tenant: held, events: 1, isDefault: true },
    ]);
    expect(await timesOf(store(), held)).toEqual([]);
    await retention().changeRule(long, { months: null }, () => '{}');
  });

  it('stops at a hold that is set while it is under way, and tells what had gone', async () => {
    const [tenant, witness] = [newTenant(), newTenant()];
    await retention().changeRule(tenant, { months: 1 }, () => '{}');
    const year = newYear();
    const times = Array.from({ length: 3000 }, (_, index) => microsOf(year, 1) + index * 1000);
    await putTimes(store(), tenant, times);
    await putTimes(store(), witness, times.slice(0, 1));
    const policy = policyAt(year, 4);
    await takeLines(retention());
    for await (const step of retention().enforce(policy, (of) => JSON.stringify(of))) {
      // After the first step of this tenant, which need not be the last.
      if (step === undefined || step.tenant.id === tenant.id) break;
    }
    await other().changeRule(tenant, { hold: HOLD }, () => '{"tenant":{}}');
    const left = (await timesOf(store(), tenant)).length;
    await enforce(retention(), policy);
    expect(await timesOf(store(), tenant)).toHaveLength(left);
    const told = only((await takeLines(retention())) as AuditDrop[], tenant);
    expect(told.reduce((sum, { events }) => sum + events, 0)).toBe(times.length - left);
    expect(told.length).toBeLessThanOrEqual(1);
    await retention().changeRule(tenant, { hold: null }, () => '{}');
  });

  it('keeps the next month when a hold is set after it has dropped one', async () => {
    const tenant = newTenant();
    const year = newYear();
    const times = [microsOf(year, 1), microsOf(year, 2)];
    await putTimes(store(), tenant, times);
    for await (const drop of retention().enforce(policyAt(year + 3, 1), () => '{}')) {
      if (drop?.tenant.id !== tenant.id) continue;
      await other().changeRule(tenant, { hold: HOLD }, () => '{}');
    }
    expect(await timesOf(store(), tenant)).toEqual(times.slice(1));
    await retention().changeRule(tenant, { hold: null }, () => '{}');
  });

  it('restores events once, and keeps them until they may go again', async () => {
    const tenant = newTenant();
    const year = newYear();
    const entries = ['a', 'b'].map((id) =>
      auditEntry({ tenant, id, timeMicros: microsOf(year, 1, 9), actor_email: `${id}@x.io` }),
    );
    const policy = policyAt(year + 5, 1);
    const untilMs = policy.nowMs + 1000;
    expect(await retention().restore(entries, untilMs)).toEqual({ stored: 2 });
    expect(await other().restore(entries, untilMs - 5000)).toEqual({ stored: 0 });
    expect(only(await enforce(retention(), policy), tenant)).toEqual([]);
    const query = queryOf(tenant, { sinceMicros: 0, beforeMicros: microsOf(year, 2) });
    const { entries: found } = await store().query({ ...query, direction: 'asc' });
    expect(found).toEqual(entries);
    const later = { ...policy, nowMs: untilMs + 1 };
    expect(only(await enforce(retention(), later), tenant)).toMatchObject([{ tenant, events: 2 }]);
    expect(await retention().restore(entries, untilMs)).toEqual({ stored: 2 });
  });

  it('shows whole pages while it removes what they show', async () => {
    const [tenant, witness] = [newTenant(), newTenant()];
    await retention().changeRule(tenant, { months: 1 }, () => '{}');
    const year = newYear();
    const times = Array.from({ length: 4000 }, (_, index) => microsOf(year, 1) + index * 1000);
    const later = [microsOf(year, 5, 1), microsOf(year, 5, 2)];
    await putTimes(store(), tenant, [...times, ...later]);
    await putTimes(store(), witness, later);
    // One of its own, so that the month of the others is dropped in parts.
    await putTimes(store(), witness, times.slice(0, 1));
    const query = queryOf(tenant, {
      sinceMicros: times[0]!,
      beforeMicros: microsOf(year, 6),
      direction: 'asc',
      limit: 50,
    });
    const state = { isOver: false };
    const removing = enforce(other(), policyAt(year, 5)).finally(() => (state.isOver = true));
    while (!state.isOver) {
      const { entries, next } = await store().query(query);
      const found = entries.map(({ timeMicros }) => timeMicros);
      expect(found).toEqual(found.toSorted((a, b) => a - b));
      // What is left begins somewhere and has no holes.
      const all = [...times, ...later];
      const at = all.indexOf(found[0]!);
      expect(found).toEqual(all.slice(at, at + 50));
      expect(next === undefined).toBe(found.at(-1) === later[1]);
    }
    await removing;
    expect(await timesOf(store(), tenant)).toEqual(later);
  });

  it('shows whole pages while it drops months as a whole', async () => {
    const tenant = newTenant();
    const year = newYear();
    for (let round = 0; round < 6; round += 1) {
      const kept = microsOf(year + round + 2, 6);
      await put(
        store(),
        [1, 2, 3, 4].flatMap((month) =>
          Array.from({ length: 20 }, (_, index) =>
            auditEntry({
              ...{ tenant, id: `${round} ${month} ${index}` },
              timeMicros: microsOf(year + round, month) + index,
            }),
          ),
        ),
      );
      await putTimes(store(), tenant, [kept]);
      const window = {
        sinceMicros: microsOf(year + round, 1),
        beforeMicros: microsOf(year + round, 6),
      };
      const query = queryOf(tenant, { ...window, direction: 'asc' });
      const state = { isOver: false };
      const policy = policyAt(year + round + 2, 7);
      const removing = enforce(other(), policy).finally(() => (state.isOver = true));
      while (!state.isOver) {
        const { entries } = await store().query(query);
        // Whole months: all of an early one or nothing.
        expect(entries.length % 20).toBe(0);
      }
      await removing;
      expect((await timesOf(store(), tenant)).at(-1)).toBe(kept);
    }
  });
}
