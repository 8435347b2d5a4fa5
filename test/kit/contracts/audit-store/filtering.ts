import { AUDIT_TEXTS, type AuditField } from '@trailpush/core';
import { describe, expect, it } from 'vitest';
import { auditEntry, MAY_21_MICROS } from '../../audit-entry.ts';
import { idsOf, newTenant, not, only, put, queryOf, type Suite } from './suite.ts';

const NO_FIELDS: readonly string[] = ['action_description', 'raw_user_agent'];
const TEXT_FIELDS = AUDIT_TEXTS.filter((name) => !NO_FIELDS.includes(name)) as AuditField[];

export function filterContract({ store }: Suite): void {
  describe.each(TEXT_FIELDS)('a filter on %s', (field) => {
    it('takes and leaves out exactly its values', async () => {
      const tenant = newTenant();
      const values = ['one', 'two', 'One', 'one ', '', null, 'a,b', "o'ne%"];
      await put(
        store(),
        values.map((value, index) =>
          auditEntry({
            ...{ tenant, id: `${index} ${String(value)}`, [field]: value },
            timeMicros: MAY_21_MICROS - index,
          }),
        ),
      );
      const find = (...filters: ReturnType<typeof only>[]) =>
        idsOf(store(), queryOf(tenant, { filters }));
      expect(await find(only(field, 'one'))).toEqual(['0 one']);
      expect(await find(only(field, 'one', 'a,b'))).toEqual(['0 one', '6 a,b']);
      expect(await find(only(field, 'missing'))).toEqual([]);
      expect(await find(only(field, ''))).toEqual(['4 ', '5 null']);
      expect(await find(only(field, '', "o'ne%"))).toEqual(['4 ', '5 null', "7 o'ne%"]);
      expect(await find(not(field, 'one', 'two', 'One'))).toEqual([
        ...['3 one ', '4 ', '5 null', '6 a,b', "7 o'ne%"],
      ]);
      expect(await find(not(field, '', 'one '))).toHaveLength(5);
      expect(await find(only(field, 'one', 'two'), not(field, 'two'))).toEqual(['0 one']);
      expect(await find(only(field, 'one'), not(field, 'one'))).toEqual([]);
    });
  });

  it('compares status codes as numbers', async () => {
    const tenant = newTenant();
    await put(
      store(),
      [200, 503, null].map((raw_status_code, index) =>
        auditEntry({
          tenant,
          id: String(raw_status_code),
          raw_status_code,
          timeMicros: MAY_21_MICROS - index,
        }),
      ),
    );
    const find = (filter: ReturnType<typeof only>) =>
      idsOf(store(), queryOf(tenant, { filters: [filter] }));
    expect(await find(only('raw_status_code', 503))).toEqual(['503']);
    expect(await find(only('raw_status_code', 200, 503))).toEqual(['200', '503']);
    expect(await find(not('raw_status_code', 200))).toEqual(['503', 'null']);
  });

  it('finds ids, and leaves them out', async () => {
    const tenant = newTenant();
    const ids = ['a', 'b', 'c'];
    await put(
      store(),
      ids.map((id, index) => auditEntry({ tenant, id, timeMicros: MAY_21_MICROS - index })),
    );
    const find = (...filters: ReturnType<typeof only>[]) =>
      idsOf(store(), queryOf(tenant, { filters }));
    expect(await find(only('id', 'b', 'c', 'x'))).toEqual(['b', 'c']);
    expect(await find(not('id', 'b'))).toEqual(['a', 'c']);
    expect(await find(only('id', 'a'), only('id', 'b'))).toEqual([]);
  });
}
