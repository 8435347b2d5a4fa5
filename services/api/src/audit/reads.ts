import type { AuditTrail, Clock, Tenant } from '@trailpush/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { auditTellers, sourceOf, type AuditTeller, type AuditSource } from '../audit-event.ts';
import { principalOf } from '../auth.ts';
import type { OutboxRelay } from '../outbox-relay.ts';

export interface ReadEventDeps {
  readonly auditTrail: AuditTrail;
  readonly relay: Pick<OutboxRelay, 'wake'>;
  readonly clock: Pick<Clock, 'now'>;
}

/** Queries whose next pages are known as such; those longest unused are forgotten. */
const MAX_KNOWN_QUERIES = 10_000;
/** Below these lie events; their other paths hold none. */
const HOLDS_EVENTS = /\/(?:accounts|organizations)\/:\w+\/(?:logs\/audit|audit_logs)(?:\/|$)/;
const HOLDS_NONE = /\/product_categories$/;
/** Says where to go on, not what is asked for. */
const PAGING = ['cursor', 'page'];

/**
 * Stores an audit event in the log of the tenant for every read of it, before the answer goes out: a read that
 * cannot be told of fails. The next pages of a query are no further reads.
 */
export function tellReads(app: FastifyInstance, deps: ReadEventDeps): void {
  const known = new KnownQueries();
  const tellerOf = auditTellers(deps.clock);
  app.addHook('onSend', async (request, reply) => {
    const tenant = tenantOf(request);
    if (tenant === undefined || reply.statusCode !== 200) return;
    const { searchParams: parameters, pathname: path } = new URL(request.url, 'http://localhost');
    if (known.isNextPage(`${principalOf(request).tokenId} ${path}`, parameters)) return;
    const line = readEvent(tellerOf, sourceOf(request), { tenant, parameters });
    await deps.auditTrail.add([line]);
    deps.relay.wake();
  });
}

/** Undefined for requests that read no events of a tenant. */
function tenantOf({ method, routeOptions, params }: FastifyRequest): Tenant | undefined {
  const route = routeOptions.url ?? '';
  if (method !== 'GET' || !HOLDS_EVENTS.test(route) || HOLDS_NONE.test(route)) return undefined;
  const { account_id: account, organization_id: organization } = params as Record<string, string>;
  if (account !== undefined) return { kind: 'account', id: account };
  return organization === undefined ? undefined : { kind: 'organization', id: organization };
}

function readEvent(
  tellerOf: (source: AuditSource) => AuditTeller,
  source: AuditSource,
  { tenant, parameters }: { tenant: Tenant; parameters: URLSearchParams },
): string {
  const query = Object.groupBy([...parameters], ([name]) => name);
  const request = Object.fromEntries(
    Object.entries(query).map(([name, given = []]) => [name, given.map(([, value]) => value)]),
  );
  return tellerOf(source)({
    tenant,
    type: 'view',
    description: 'Read audit logs',
    statusCode: 200,
    resource: { product: 'audit_logs', type: 'query', request },
  });
}

/** Which queries were asked lately, and by whom. */
class KnownQueries {
  readonly #keys = new Set<string>();

  /** True when it goes on with a query that was asked before; else it is known from now on. */
  isNextPage(asker: string, parameters: URLSearchParams): boolean {
    const cursor = parameters.get('cursor') ?? '';
    const page = parameters.get('page') ?? '1';
    const query = [...parameters].filter(([name]) => !PAGING.includes(name));
    const key = `${asker} ${JSON.stringify(query)}`;
    const isKnown = this.#keys.delete(key);
    this.#keys.add(key);
    const [oldest] = this.#keys;
    if (this.#keys.size > MAX_KNOWN_QUERIES && oldest !== undefined) this.#keys.delete(oldest);
    return isKnown && (cursor !== '' || page !== '1');
  }
}
