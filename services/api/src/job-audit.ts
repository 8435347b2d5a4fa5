import { REDACTED, type ChangeTrail, type Clock, type Job } from '@trailpush/core';
import { eventIds } from '@trailpush/datasets';
import type { FastifyRequest } from 'fastify';

import { principalOf, type Principal } from './auth.ts';

/** What a caller does to a job. */
export type JobAction = 'create' | 'update' | 'delete';

export interface JobAuditDeps {
  readonly clock: Pick<Clock, 'now'>;
  /** A job as responses show it. */
  readonly show: (job: Job) => object;
  readonly redactConf: (conf: string) => string;
}

/** Longer ones are cut: they come from outside, and say nothing more. */
const MAX_TEXT_CHARACTERS = 256;

/** Properties of a job that can hold no secret; whatever else a body has is not repeated. */
const PLAIN_PROPERTIES: ReadonlySet<string> = new Set([
  'dataset',
  'enabled',
  'filter',
  'frequency',
  'kind',
  'logpull_options',
  'max_upload_bytes',
  'max_upload_interval_seconds',
  'max_upload_records',
  'name',
  'output_options',
  'start_at',
]);

/**
 * Describes a change of a job as an audit event of its account: who made it, through which request, the job
 * before (`resource.value`) and after it (`resource.response`).
 */
export function jobAudit(
  deps: JobAuditDeps,
): (request: FastifyRequest, action: JobAction) => ChangeTrail['describe'] {
  const newId = eventIds(deps.clock);
  return (request, action) => {
    // A transaction that is tried again is still one event.
    const id = newId();
    const time = new Date(deps.clock.now()).toISOString();
    const { account_id: accountId = '' } = request.params as { account_id?: string };
    const { show } = deps;
    return ({ before, after }) => {
      const jobId = (after ?? before)?.id;
      return JSON.stringify({
        id,
        account: { id: accountId },
        action: {
          description: `${action[0]?.toUpperCase() ?? ''}${action.slice(1)} Logpush job`,
          result: 'success',
          time,
          type: action,
        },
        actor: actorOf(principalOf(request), accountId, request.ip),
        raw: rawOf(request, action === 'create' ? 201 : 200),
        resource: {
          id: String(jobId),
          product: 'logpush',
          scope: 'accounts',
          type: 'job',
          request: redactBody(request.body, deps.redactConf),
          response: after === undefined ? { id: jobId } : show(after),
          ...(before === undefined ? {} : { value: show(before) }),
        },
      });
    };
  };
}

/** `actor` of an event about what the caller did. */
export function actorOf(principal: Principal, accountId: string, address: string): object {
  const { tokenId, tokenName, email, context, isAdmin } = principal;
  const owner = isAdmin
    ? { type: 'cloudflare_admin', id: tokenId }
    : email === null
      ? { type: 'account', id: accountId }
      : { type: 'user', id: tokenId, email };
  return {
    ...owner,
    context,
    ip_address: address,
    token_id: tokenId,
    token_name: tokenName,
  };
}

/** `raw` of such an event. */
export function rawOf(request: FastifyRequest, statusCode: number): object {
  const { url, method, id } = request;
  // Without the query, in which clients put what belongs into headers.
  const uri = (url.split('?')[0] ?? '').replace(/^\/client\/v4(?=\/)/, '');
  return {
    cf_ray_id: id,
    method,
    status_code: statusCode,
    uri: uri.slice(0, MAX_TEXT_CHARACTERS),
    user_agent: (request.headers['user-agent'] ?? '').slice(0, MAX_TEXT_CHARACTERS),
  };
}

function redactBody(body: unknown, redactConf: (conf: string) => string): object {
  if (typeof body !== 'object' || body === null) return {};
  return Object.fromEntries(
    Object.entries(body).map(([name, value]): [string, unknown] => {
      if (PLAIN_PROPERTIES.has(name)) return [name, value];
      const isConf = name === 'destination_conf' && typeof value === 'string';
      return [name, isConf ? redactConf(value) : REDACTED];
    }),
  );
}
