import type { AuditEvent } from '@trailpush/datasets';

/** One event with most values present, some absent, and all kinds of bodies; its key is `acc-1`. */
export const EXAMPLE_EVENT: AuditEvent = {
  id: 'id-1',
  account: { id: 'acc-1', name: 'Ácme "Inc"' },
  organization: null,
  action: {
    description: 'd',
    result: 'success',
    time: 1_708_213_921_123_456,
    type: 'update',
  },
  actor: {
    context: 'dash',
    email: 'a@example.com',
    id: 'u',
    ip_address: '203.0.113.9',
    token_id: null,
    token_name: 'ci',
    type: 'user',
  },
  raw: {
    cf_ray_id: 'r',
    method: 'PUT',
    status_code: 200,
    uri: `/${'x'.repeat(100)}`,
    user_agent: null,
  },
  resource: {
    id: 'res',
    product: 'dns',
    request: '{"a":[1,"x"]}',
    response: null,
    scope: 'zones',
    type: 'record',
    value: '[]',
  },
  zone: { id: 'z', name: null },
  interface: 'API',
  owner: { id: 'o' },
  metadata: '{}',
  old_value: '1',
  new_value: '"2"',
};
