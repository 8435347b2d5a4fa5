import { randomUUID } from 'node:crypto';
import {
  MAX_SAVED_QUERIES,
  type Clock,
  type EventsOf,
  type SavedQuery,
  type SavedQueryStore,
} from '@trailpush/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { auditTellers, sourceOf } from '../audit-event.ts';
import { accountOf, AUDIT_READERS, authorize, principalOf } from '../auth.ts';
import { ApiError, CODE, ok } from '../envelope.ts';
import type { ProductCategories } from './product-categories.ts';
import { readSavedQuery, showSavedQuery } from './saved-query-shape.ts';

export interface SavedQueryDeps {
  readonly savedQueries: SavedQueryStore;
  readonly productCategories: ProductCategories;
  readonly clock: Clock;
  readonly relay: { wake(): void };
}

interface OfAccount {
  Params: { account_id: string };
}
interface OfQuery {
  Params: { account_id: string; query_id: string };
}

const PATH = '/accounts/:account_id/logs/audit/saved_queries';

/** Saved queries of an account: who may read its log may read them, who may write to it may change them. */
export function registerSavedQueryRoutes(app: FastifyInstance, deps: SavedQueryDeps): void {
  const { savedQueries: store, productCategories, relay } = deps;
  const eventsOf = savedQueryAudit(deps.clock);

  app.get<OfAccount>(PATH, async (request) => {
    const accountId = reader(request);
    return ok((await store.list(accountId)).map(showSavedQuery));
  });

  app.post<OfAccount>(PATH, async (request, reply) => {
    const accountId = writer(request);
    const order = readSavedQuery(request.body, productCategories);
    const { email, tokenId } = principalOf(request);
    const query = { ...order, accountId, id: randomUUID(), createdBy: email ?? tokenId };
    const created = await store.create(query, eventsOf(request, 'create'));
    if (created === undefined) {
      const message = `the account has ${MAX_SAVED_QUERIES} saved queries, which is as many as it may have: delete one`;
      throw new ApiError(409, [{ code: CODE.invalid, message }]);
    }
    relay.wake();
    return reply.code(201).send(ok(showSavedQuery(created)));
  });

  app.get<OfQuery>(`${PATH}/:query_id`, async (request) => {
    const accountId = reader(request);
    return ok(showSavedQuery(found(await store.get(accountId, request.params.query_id))));
  });

  app.put<OfQuery>(`${PATH}/:query_id`, async (request) => {
    const accountId = writer(request);
    const change = readSavedQuery(request.body, productCategories);
    const { query_id: id } = request.params;
    const updated = await store.update(accountId, id, change, eventsOf(request, 'update'));
    relay.wake();
    return ok(showSavedQuery(found(updated)));
  });

  app.delete<OfQuery>(`${PATH}/:query_id`, async (request) => {
    const accountId = writer(request);
    const { query_id: id } = request.params;
    const deleted = await store.delete(accountId, id, eventsOf(request, 'delete'));
    relay.wake();
    return ok({ id: found(deleted).id });
  });
}

function reader(request: FastifyRequest<OfAccount>): string {
  const { account_id: accountId } = request.params;
  authorize(request, accountOf(accountId), ...AUDIT_READERS);
  return accountId;
}

function writer(request: FastifyRequest<OfAccount>): string {
  const { account_id: accountId } = request.params;
  authorize(request, accountOf(accountId), 'Audit Logs Write');
  return accountId;
}

function found(query: SavedQuery | undefined): SavedQuery {
  if (query !== undefined) return query;
  throw new ApiError(404, [{ code: CODE.notFound, message: 'there is no such saved query' }]);
}

function savedQueryAudit(
  clock: Clock,
): (request: FastifyRequest, type: 'create' | 'update' | 'delete') => EventsOf<SavedQuery> {
  const tellerOf = auditTellers(clock);
  return (request, type) => {
    const tell = tellerOf(sourceOf(request));
    return (query) => [
      tell({
        tenant: { kind: 'account', id: query.accountId },
        type,
        description: `${type[0]?.toUpperCase() ?? ''}${type.slice(1)} saved query`,
        statusCode: type === 'create' ? 201 : 200,
        resource: {
          id: query.id,
          product: 'audit_logs',
          type: 'saved_query',
          ...(type === 'delete' ? {} : { value: showSavedQuery(query) }),
        },
      }),
    ];
  };
}
