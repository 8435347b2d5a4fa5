import type { AuditDrop } from '@trailpush/core';

/**
 * What retention has removed, as an audit event of the tenant (one line in the shape of the audit API's item):
 * how many, of which time, by which rule.
 */
export function dropEvent(drop: AuditDrop, of: { readonly id: string; readonly nowMs: number }) {
  const { tenant, events, firstMicros, lastMicros, months, isDefault } = drop;
  const isAccount = tenant.kind === 'account';
  return JSON.stringify({
    id: of.id,
    [tenant.kind]: { id: tenant.id },
    action: {
      description: 'Remove expired audit logs',
      result: 'success',
      time: new Date(of.nowMs).toISOString(),
      type: 'delete',
    },
    actor: { type: 'system' },
    resource: {
      product: 'audit_logs',
      scope: isAccount ? 'accounts' : 'organizations',
      type: 'retention',
      value: {
        events,
        first: timeText(firstMicros),
        last: timeText(lastMicros),
        retention_months: months,
        rule: isDefault ? 'default' : tenant.kind,
      },
    },
  });
}

/** RFC 3339 with microseconds. */
function timeText(micros: number): string {
  const text = new Date(Math.floor(micros / 1000)).toISOString().slice(0, -1);
  return `${text}${String(micros % 1000).padStart(3, '0')}Z`;
}
