import type { Attempt, Clock, HealthStore, Job, JobStore } from '@trailpush/core';
import type { FastifyInstance } from 'fastify';

import type { DestinationCheck } from './destination-check.ts';
import { ok } from './envelope.ts';
import { jobId, jobNotFound } from './job-routes.ts';
import { timestamp } from './job-shape.ts';

export interface HealthRoutesDeps {
  readonly jobs: JobStore;
  readonly jobHealth: HealthStore;
  readonly check: DestinationCheck;
  readonly clock: Pick<Clock, 'monotonic'>;
}

interface OfJob {
  Params: { account_id: string; job_id: string };
}

/** `.../logpush/jobs/:job_id/attempts` and `/test`: how deliveries went, and how one goes now. */
export function registerHealthRoutes(app: FastifyInstance, deps: HealthRoutesDeps): void {
  const { jobs, jobHealth, check, clock } = deps;
  const one = '/accounts/:account_id/logpush/jobs/:job_id';
  const jobOf = async (params: OfJob['Params']): Promise<Job> =>
    (await jobs.get(params.account_id, jobId(params.job_id))) ?? jobNotFound();

  app.get<OfJob>(`${one}/attempts`, async ({ params }) => {
    const { accountId, id } = await jobOf(params);
    return ok((await jobHealth.listAttempts(accountId, id)).map(showAttempt));
  });

  app.post<OfJob>(`${one}/test`, async ({ params }) => {
    const { accountId, spec } = await jobOf(params);
    const startedMs = clock.monotonic();
    const result = await check.attempt(accountId, spec.destinationConf.reveal());
    return ok({
      valid: result.verdict.kind === 'delivered',
      verdict: result.verdict.kind,
      code: result.status ?? result.healthCode ?? null,
      message: result.message ?? '',
      duration_ms: Math.round(clock.monotonic() - startedMs),
    });
  });
}

function showAttempt(attempt: Attempt): Record<string, unknown> {
  return {
    time: timestamp(attempt.atMs),
    verdict: attempt.verdict,
    code: attempt.code,
    duration_ms: attempt.tookMs,
    bytes: attempt.wireBytes,
    records: attempt.records,
    partition: attempt.partition,
    first_offset: attempt.firstOffset,
    last_offset: attempt.lastOffset,
    error_message: attempt.message,
  };
}
