import type { AuditPage, AuditQuery, AuditStore, Clock, Tenant } from '@trailpush/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { AUDIT_READERS, authorize } from '../auth.ts';
import { CODE, failed, ok } from '../envelope.ts';
import { registerAnalyticsRoutes } from './analytics-routes.ts';
import { Cursors } from './cursor.ts';
import { DOWNLOAD_CONTROLS, sendDownload } from './download-routes.ts';
import { Downloads } from './downloads.ts';
import { differencesOf, previousOf } from './difference.ts';
import { filterNames, readFilters } from './filters.ts';
import { historyOf, type History } from './history.ts';
import { IngestedPages } from './ingested.ts';
import { itemOf } from './item.ts';
import { Parameters } from './parameters.ts';
import type { ProductCategories } from './product-categories.ts';
import { QueryGate } from './query-gate.ts';
import { sendItems } from './send-items.ts';
import { readSearch, type FoundEvents } from './search.ts';
import { readTime, readWindow } from './time.ts';
import { Version1Log } from './version1-log.ts';
import { registerVersion1Routes } from './version1-routes.ts';

export interface AuditRoutesDeps {
  readonly audit: AuditStore;
  /** Seals cursors; the same in all processes. */
  readonly secretKey: Buffer;
  readonly productCategories: ProductCategories;
  readonly clock: Clock;
}

const LIMIT = { min: 1, max: 1000, otherwise: 100 };
/** Comparing is work. */
const DIFFERENCE_LIMIT = { min: 1, max: 100, otherwise: 100 };

const CONTROLS = ['since', 'before', 'direction', 'limit', 'cursor'];
const KNOWN = {
  account: new Set([...filterNames('account'), ...CONTROLS, 'search', 'order']),
  organization: new Set([...filterNames('organization'), ...CONTROLS, 'search', 'order']),
};
const DOWNLOAD_KNOWN = {
  account: new Set([...filterNames('account'), ...DOWNLOAD_CONTROLS]),
  organization: new Set([...filterNames('organization'), ...DOWNLOAD_CONTROLS]),
};
const HISTORY_KNOWN = new Set(['action_time', 'diff', ...CONTROLS]);
const NONE: ReadonlySet<string> = new Set();

type OfTenant = { account_id: string } | { organization_id: string };

/** `/accounts/:account_id/logs/audit` and `/organizations/:organization_id/logs/audit`. */
export function registerAuditRoutes(app: FastifyInstance, deps: AuditRoutesDeps): void {
  const gate = new QueryGate();
  const queries = new AuditQueries(deps, gate);
  registerVersion1Routes(app, new Version1Log(deps.audit, gate), deps.clock);
  const tenants = [
    '/accounts/:account_id/logs/audit',
    '/organizations/:organization_id/logs/audit',
  ];
  for (const path of tenants) {
    registerAnalyticsRoutes(app, path, {
      ...{ ...deps, gate },
      tenantOf: (request) => tenantOf(request as FastifyRequest<{ Params: OfTenant }>),
    });
    app.get<{ Params: OfTenant }>(path, async (request, reply) =>
      queries.list(request, reply, tenantOf(request)),
    );
    app.get<{ Params: OfTenant }>(`${path}/download`, async (request, reply) =>
      queries.download(request, reply, tenantOf(request)),
    );
    app.get<{ Params: OfTenant & { id: string } }>(`${path}/:id/history`, async (request, reply) =>
      queries.history(request, reply, { tenant: tenantOf(request), id: request.params.id }),
    );
  }
  app.get<{ Params: OfTenant }>(`${tenants[0]}/product_categories`, async (request) => {
    tenantOf(request);
    new Parameters(request.url, NONE);
    return ok(deps.productCategories.list);
  });
}

/** Whose log is asked for. @throws ApiError 403 when the token does not allow it */
function tenantOf(request: FastifyRequest<{ Params: OfTenant }>): Tenant {
  const { params } = request;
  const tenant: Tenant =
    'account_id' in params
      ? { kind: 'account', id: params.account_id }
      : { kind: 'organization', id: params.organization_id };
  authorize(request, tenant, ...AUDIT_READERS);
  return tenant;
}

class AuditQueries {
  readonly #audit: AuditStore;
  readonly #cursors: Cursors;
  readonly #categories: ProductCategories;
  readonly #gate: QueryGate;
  readonly #ingested: IngestedPages;
  readonly #downloads: Downloads;

  constructor(deps: AuditRoutesDeps, gate: QueryGate) {
    const { audit, secretKey, productCategories } = deps;
    this.#audit = audit;
    this.#gate = gate;
    this.#cursors = new Cursors(secretKey);
    this.#categories = productCategories;
    this.#ingested = new IngestedPages({ audit, gate, secretKey });
    this.#downloads = new Downloads(deps);
  }

  async list(request: FastifyRequest, reply: FastifyReply, tenant: Tenant): Promise<FastifyReply> {
    const parameters = new Parameters(request.url, KNOWN[tenant.kind]);
    const found = this.#readFound(parameters, tenant);
    if (parameters.word('order', ['time', 'ingested'], 'time') === 'ingested') {
      const limit = parameters.wholeNumber('limit', LIMIT);
      return this.#ingested.send(reply, parameters, { ...found, limit });
    }
    const query = this.#readQuery(parameters, found);
    return this.#answer(reply, query, {});
  }

  async download(
    request: FastifyRequest,
    reply: FastifyReply,
    tenant: Tenant,
  ): Promise<FastifyReply> {
    const parameters = new Parameters(request.url, DOWNLOAD_KNOWN[tenant.kind]);
    const found = this.#readFound(parameters, tenant);
    return sendDownload({ request, reply }, this.#downloads, { parameters, found });
  }

  #readFound(parameters: Parameters, tenant: Tenant): FoundEvents {
    const filters = readFilters(parameters, tenant.kind, this.#categories);
    const words = readSearch(parameters);
    return { tenant, filters, ...(words && { words }) };
  }

  async history(
    request: FastifyRequest,
    reply: FastifyReply,
    { tenant, id }: { tenant: Tenant; id: string },
  ): Promise<FastifyReply> {
    const parameters = new Parameters(request.url, HISTORY_KNOWN);
    const withDifferences = parameters.word('diff', ['true', 'false'], 'false') === 'true';
    const limit = withDifferences ? DIFFERENCE_LIMIT : LIMIT;
    const timeMicros = readTime('action_time', parameters.required('action_time'));
    // Checked before anything is looked up.
    this.#readQuery(parameters, { tenant, filters: [] }, { withCursor: false, limit });
    const entry = await this.#gate.run(() => this.#audit.find(tenant, id, timeMicros));
    if (entry === undefined) {
      const message = 'no entry with this id at action_time: check both, and the account';
      const history_status: History['status'] = 'unavailable';
      const body = failed([{ code: CODE.notFound, message }], null);
      return reply.code(404).send({ ...body, result_info: { count: 0, history_status } });
    }
    const { status: history_status, filters } = historyOf(entry);
    const query = this.#readQuery(parameters, { tenant, filters }, { limit });
    if (history_status === 'unavailable') return sendItems(reply, [], { count: 0, history_status });
    return this.#answer(reply, query, { history_status }, withDifferences);
  }

  #readQuery(
    parameters: Parameters,
    of: Pick<AuditQuery, 'tenant' | 'filters' | 'words'>,
    { withCursor = true, limit = LIMIT } = {},
  ): AuditQuery {
    const query = {
      ...of,
      ...readWindow(parameters),
      direction: parameters.word('direction', ['desc', 'asc'], 'desc'),
      limit: parameters.wholeNumber('limit', limit),
    };
    const cursor = parameters.one('cursor');
    if (cursor === undefined || cursor === '' || !withCursor) return query;
    return { ...query, after: this.#cursors.read(cursor, query) };
  }

  async #answer(
    reply: FastifyReply,
    query: AuditQuery,
    info: object,
    withDifferences = false,
  ): Promise<FastifyReply> {
    const { entries, next } = await this.#gate.run(() => this.#audit.query(query));
    const cursor = next === undefined ? '' : this.#cursors.write(next, query);
    const items = withDifferences
      ? await this.#itemsWithDifferences(query, { entries, next })
      : entries.map(itemOf);
    // SDKs before version 5 follow the first form, later ones the second.
    return sendItems(reply, items, {
      count: items.length,
      ...info,
      cursor,
      cursors: { after: cursor },
    });
  }

  async #itemsWithDifferences(query: AuditQuery, { entries, next }: AuditPage): Promise<string[]> {
    const before = await this.#gate.run(() => this.#audit.query(previousOf(query, next)));
    const differences = await differencesOf(entries, query.direction, before.entries[0]);
    return entries.map(
      (entry, index) =>
        `${itemOf(entry).slice(0, -1)},"difference":${differences[index] ?? 'null'}}`,
    );
  }
}
