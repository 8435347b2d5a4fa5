import { expect, it } from 'vitest';

import cases from '../cases/audit-api.json' with { type: 'json' };
import { publishedRoutes, shapeBreachOf } from './published-shapes.ts';

const LIST = '/client/v4/accounts/:account_id/logs/audit';
const VERSION_1 = '/client/v4/user/audit_logs';

it('knows every endpoint of the audit logs', () => {
  const known = cases.endpoints.map(
    ({ path }) => `/client/v4${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
  );
  expect([...publishedRoutes].toSorted()).toEqual(known.toSorted());
});

it.each([
  [
    LIST,
    200,
    { success: true, errors: [], result: [{ action: { result: true } }] },
    /must be string/,
  ],
  [LIST, 200, { success: true, errors: [], result: null }, /must be array/],
  [LIST, 400, { success: false, errors: [] }, /fewer than 1/],
  [`${LIST}/:id/history`, 200, { success: true, errors: [], result: [] }, /'result_info'/],
  [`${LIST}/:id/history`, 404, { success: false, errors: [{ message: 'x' }] }, /'result_info'/],
  [
    VERSION_1,
    200,
    { success: true, errors: [], messages: [], result: [{ when: 'now' }] },
    /date-time/,
  ],
  [
    VERSION_1,
    200,
    { success: true, errors: [], messages: [], result: [{ actor: { type: 'system' } }] },
    /allowed values/,
  ],
  [VERSION_1, 403, { success: false, errors: [{ message: 'x' }], messages: [] }, /'code'/],
])(
  'is broken by an answer of %s with %i that is not as published: %j',
  (route, status, body, how) => {
    expect(shapeBreachOf(route, status, JSON.stringify(body))).toMatch(how);
  },
);

it('leaves alone what Cloudflare does not have', () => {
  expect(shapeBreachOf('/client/v4/elsewhere', 200, '{}')).toBeUndefined();
  expect(shapeBreachOf(LIST, 503, '{}')).toBeUndefined();
});
