import type { Job, JobStore } from '@trailpush/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { ApiError, CODE, ok } from './envelope.ts';
import type { JobAction } from './job-audit.ts';
import type { Describe, JobChanges } from './job-changes.ts';
import type { JobChange } from './job-shape.ts';

export interface JobRoutesDeps {
  readonly jobs: JobStore;
  readonly changes: JobChanges;
  readonly show: (job: Job) => object;
  readonly readChange: (body: unknown) => JobChange;
  readonly audit: (request: FastifyRequest, action: JobAction) => Describe;
}

interface OfAccount {
  Params: { account_id: string };
}

interface OfJob {
  Params: { account_id: string; job_id: string };
}

/** `/accounts/:account_id/logpush/jobs`: list, create, read, change, delete. */
export function registerJobRoutes(app: FastifyInstance, deps: JobRoutesDeps): void {
  const { jobs, changes, show, readChange, audit } = deps;
  const all = '/accounts/:account_id/logpush/jobs';
  const one = `${all}/:job_id`;

  app.get<OfAccount>(all, async ({ params }) => ok((await jobs.list(params.account_id)).map(show)));

  app.post<OfAccount>(all, async (request, reply) => {
    const accountId = request.params.account_id;
    const change = readChange(request.body);
    const job = await changes.create(accountId, change, audit(request, 'create'));
    logChange(request, accountId, job);
    return reply.code(201).send(ok(show(job)));
  });

  app.get<OfJob>(one, async ({ params }) => {
    const job = await jobs.get(params.account_id, jobId(params.job_id));
    return ok(show(job ?? jobNotFound()));
  });

  app.put<OfJob>(one, async (request) => {
    const { account_id: accountId, job_id: id } = request.params;
    const change = readChange(request.body);
    const job = await changes.update(accountId, jobId(id), change, audit(request, 'update'));
    if (job === undefined) return jobNotFound();
    logChange(request, accountId, job);
    return ok(show(job));
  });

  app.delete<OfJob>(one, async (request) => {
    const accountId = request.params.account_id;
    const id = jobId(request.params.job_id);
    const deleted =
      (await changes.delete(accountId, id, audit(request, 'delete'))) ?? jobNotFound();
    const { droppedPlans } = deleted;
    request.log.info({ accountId, jobId: id, droppedPlans }, 'job deleted');
    return ok({ id }, droppedPlans === 0 ? [] : [droppedNotice(droppedPlans)]);
  });
}

function droppedNotice(plans: number): string {
  const objects = plans === 1 ? '1 object that was' : `${plans} objects that were`;
  return `${objects} about to be delivered will not be sent again; attempts already made may have arrived`;
}

function logChange(request: FastifyRequest, accountId: string, job: Job): void {
  const { id, revision, spec } = job;
  request.log.info({ accountId, jobId: id, revision, enabled: spec.enabled }, 'job saved');
}

export function jobNotFound(): never {
  throw new ApiError(404, [{ code: CODE.notFound, message: 'job not found' }]);
}

export function jobId(text: string): number {
  return pathId(text, 'job') ?? jobNotFound();
}

/** Digits are compared exactly: an id above 2^53 is nobody's, and is not rounded to one that is. */
export function pathId(text: string, of: string): number | undefined {
  if (!/^\d{1,40}$/.test(text)) {
    const message = `the ${of} id in the path must be a whole number`;
    throw new ApiError(400, [{ code: CODE.invalid, message }]);
  }
  const id = Number(text);
  return Number.isSafeInteger(id) ? id : undefined;
}
