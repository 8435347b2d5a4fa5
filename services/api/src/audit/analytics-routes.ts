import type { AuditCounting, AuditStore, Tenant } from '@trailpush/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { ok } from '../envelope.ts';
import { readField, readInterval, seriesOf, topOf, totalsOf } from './analytics.ts';
import { filterNames, readFilters } from './filters.ts';
import { invalidParameter, Parameters } from './parameters.ts';
import type { ProductCategories } from './product-categories.ts';
import type { QueryGate } from './query-gate.ts';
import { readSearch } from './search.ts';
import { readWindow } from './time.ts';

interface AnalyticsDeps {
  readonly audit: Pick<AuditStore, 'count'>;
  readonly productCategories: ProductCategories;
  readonly gate: QueryGate;
  /** @throws ApiError 403 */
  readonly tenantOf: (request: FastifyRequest) => Tenant;
}

const LIMIT = { min: 1, max: 100, otherwise: 10 };

/** `.../analytics/timeseries`, `top` and `totals` below a tenant's audit log: counts of what the list would give. */
export function registerAnalyticsRoutes(
  app: FastifyInstance,
  path: string,
  deps: AnalyticsDeps,
): void {
  app.get(`${path}/analytics/timeseries`, async (request) => {
    const { parameters, tenant, query, count } = ask(request, deps, [
      ...['interval', 'group_by', 'limit'],
    ]);
    const { interval, micros } = readInterval(parameters, query);
    const field = readField(parameters, 'group_by', tenant.kind);
    const limit = parameters.wholeNumber('limit', LIMIT);
    const counts = await count({ by: field ? [field] : [], intervalMicros: micros });
    const of = { micros, isGrouped: field !== undefined, limit };
    return ok({ interval, group_by: field ?? null, ...seriesOf(counts, query, of) });
  });

  app.get(`${path}/analytics/top`, async (request) => {
    const { parameters, tenant, count } = ask(request, deps, ['field', 'limit']);
    const field = readField(parameters, 'field', tenant.kind);
    if (field === undefined) throw invalidParameter('field', 'is required');
    const limit = parameters.wholeNumber('limit', LIMIT);
    return ok({ field, ...topOf(await count({ by: [field] }), limit) });
  });

  app.get(`${path}/analytics/totals`, async (request) => {
    const { count } = ask(request, deps, []);
    return ok(await totalsOf((by) => count({ by })));
  });
}

/** What all of them have in common. @throws ApiError */
function ask(request: FastifyRequest, deps: AnalyticsDeps, more: readonly string[]) {
  const tenant = deps.tenantOf(request);
  const known = [...filterNames(tenant.kind), 'since', 'before', 'search', ...more];
  const parameters = new Parameters(request.url, new Set(known));
  const words = readSearch(parameters);
  const query = {
    ...{ tenant, ...readWindow(parameters) },
    filters: readFilters(parameters, tenant.kind, deps.productCategories),
    ...(words && { words }),
  };
  const count = (of: Pick<AuditCounting, 'by' | 'intervalMicros'>) =>
    deps.gate.run(() => deps.audit.count({ ...query, ...of }));
  return { parameters, tenant, query, count };
}
