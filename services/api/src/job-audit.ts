import {
  REDACTED,
  type ChangeTrail,
  type Clock,
  type EventsOf,
  type Job,
  type Replay,
} from '@trailpush/core';
import type { FastifyRequest } from 'fastify';

import { auditTellers, sourceOf } from './audit-event.ts';
import { showReplay } from './replay-shape.ts';

/** What a caller does to a job. */
export type JobAction = 'create' | 'update' | 'delete';

export interface JobAuditDeps {
  readonly clock: Pick<Clock, 'now'>;
  /** A job as responses show it. */
  readonly show: (job: Job) => object;
  readonly redactConf: (conf: string) => string;
}

/** Properties of jobs and replays that can hold no secret; whatever else a body has is not repeated. */
const PLAIN_PROPERTIES: ReadonlySet<string> = new Set([
  'before',
  'dataset',
  'enabled',
  'filter',
  'frequency',
  'kind',
  'logpull_options',
  'max_records_per_second',
  'max_upload_bytes',
  'max_upload_interval_seconds',
  'max_upload_records',
  'name',
  'offsets',
  'output_options',
  'since',
  'start_at',
]);

/**
 * Describes a change of a job as an audit event of its account: who made it, through which request, the job
 * before (`old_value`) and after it (`new_value`). Datasets without these have them as `resource.value` and
 * `resource.response`.
 */
export function jobAudit(
  deps: JobAuditDeps,
): (request: FastifyRequest, action: JobAction) => ChangeTrail['describe'] {
  const tellerOf = auditTellers(deps.clock);
  return (request, action) => {
    const tell = tellerOf(sourceOf(request));
    const { account_id: accountId = '' } = request.params as { account_id?: string };
    const { show } = deps;
    return ({ before, after }) => {
      const jobId = (after ?? before)?.id;
      const change = { before: before && show(before), after: after && show(after) };
      return tell({
        tenant: { kind: 'account', id: accountId },
        type: action,
        description: `${action[0]?.toUpperCase() ?? ''}${action.slice(1)} Logpush job`,
        statusCode: action === 'create' ? 201 : 200,
        resource: {
          id: String(jobId),
          product: 'logpush',
          type: 'job',
          request: redactBody(request.body, deps.redactConf),
          response: change.after ?? { id: jobId },
          ...(change.before && { value: change.before }),
        },
        change,
      });
    };
  };
}

/** What a caller does to a replay. */
export type ReplayAction = 'start' | 'cancel';

/** Describes the start or the cancelling of a replay as an audit event of its account. */
export type ReplayAudit = (request: FastifyRequest, action: ReplayAction) => EventsOf<Replay>;

export function replayAudit(deps: Omit<JobAuditDeps, 'show'>): ReplayAudit {
  const tellerOf = auditTellers(deps.clock);
  return (request, action) => {
    const tell = tellerOf(sourceOf(request));
    const isStart = action === 'start';
    return (replay) => [
      tell({
        tenant: { kind: 'account', id: replay.accountId },
        type: isStart ? 'create' : 'update',
        description: `${isStart ? 'Start' : 'Cancel'} Logpush replay`,
        statusCode: isStart ? 201 : 200,
        resource: {
          id: String(replay.id),
          product: 'logpush',
          type: 'replay',
          request: redactBody(request.body, deps.redactConf),
          response: showReplay(replay),
        },
      }),
    ];
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
