import type { Clock, Tenant } from '@trailpush/core';
import { eventIds } from '@trailpush/datasets';
import type { FastifyRequest } from 'fastify';

import { principalOf, type Principal } from './auth.ts';

/** What was done, in the words of the audit API's item. */
export interface AuditFacts {
  /** Whose log tells of it. */
  readonly tenant: Tenant;
  readonly type: 'create' | 'update' | 'delete' | 'view';
  readonly description: string;
  readonly statusCode: number;
  readonly resource: {
    readonly id?: string;
    readonly product: string;
    readonly type: string;
    readonly request?: object;
    readonly response?: object;
    readonly value?: object;
  };
  /** What was changed, before and after; undefined where there was or is none. */
  readonly change?: { readonly before: object | undefined; readonly after: object | undefined };
}

/** Who does something, and through what. */
export interface AuditSource {
  readonly actorIn: (tenant: Tenant) => object;
  /** Undefined where there is no request. */
  readonly raw: object | undefined;
}

/**
 * An event as a line for the outbox. However often facts about one tenant are told, in a transaction that is
 * tried again, they are one event.
 */
export type AuditTeller = (facts: AuditFacts) => string;

/** What concerns no account, such as a token for all of them, is told to this organization. */
export const OPERATOR: Tenant = { kind: 'organization', id: 'trailpush' };

/** Longer ones are cut: they come from outside, and say nothing more. */
const MAX_TEXT_CHARACTERS = 256;

/** Makes audit events about what is done here: one of each call for each tenant. */
export function auditTellers(clock: Pick<Clock, 'now'>): (source: AuditSource) => AuditTeller {
  const newId = eventIds(clock);
  return ({ actorIn, raw }) => {
    const ids = new Map<string, string>();
    const time = new Date(clock.now()).toISOString();
    return ({ tenant, type, description, statusCode, resource, change }) => {
      const name = `${tenant.kind} ${tenant.id}`;
      const id = ids.get(name) ?? newId();
      ids.set(name, id);
      return JSON.stringify({
        id,
        [tenant.kind]: { id: tenant.id },
        action: { description, result: 'success', time, type },
        actor: actorIn(tenant),
        ...(raw === undefined ? {} : { raw: { ...raw, status_code: statusCode } }),
        resource: { scope: `${tenant.kind}s`, ...resource },
        old_value: change?.before,
        new_value: change?.after,
      });
    };
  };
}

/** Who makes a request. Only for routes behind `requireToken`. */
export function sourceOf(request: FastifyRequest): AuditSource {
  const principal = principalOf(request);
  const { url, method, id, ip, headers } = request;
  // Without the query, in which clients put what belongs into headers.
  const uri = (url.split('?')[0] ?? '').replace(/^\/client\/v4(?=\/)/, '');
  return {
    actorIn: (tenant) => actorOf(principal, tenant, ip),
    raw: {
      cf_ray_id: id,
      method,
      uri: uri.slice(0, MAX_TEXT_CHARACTERS),
      user_agent: (headers['user-agent'] ?? '').slice(0, MAX_TEXT_CHARACTERS),
    },
  };
}

/** Somebody at the operator's console, who needs no token. */
export const CONSOLE: AuditSource = {
  actorIn: () => ({ type: 'cloudflare_admin', id: 'console' }),
  raw: undefined,
};

function actorOf(principal: Principal, tenant: Tenant, address: string): object {
  const { tokenId, tokenName, email, context, isAdmin } = principal;
  const owner = isAdmin
    ? { type: 'cloudflare_admin', id: tokenId }
    : email === null && tenant.kind === 'account'
      ? { type: 'account', id: tenant.id }
      : { type: 'user', id: tokenId, email };
  return {
    ...owner,
    context,
    ip_address: address,
    token_id: tokenId,
    token_name: tokenName,
  };
}
