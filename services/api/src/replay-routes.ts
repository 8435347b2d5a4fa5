import type { Job, Replay } from '@trailpush/core';
import type { FastifyInstance } from 'fastify';

import { ApiError, CODE, ok } from './envelope.ts';
import type { ReplayAudit } from './job-audit.ts';
import { jobId, jobNotFound, pathId } from './job-routes.ts';
import { MAX_LISTED_REPLAYS, ReplayOrders, type ReplayOrderDeps } from './replay-orders.ts';
import { readReplayRequest, showCount, showReplay } from './replay-shape.ts';

interface OfJob {
  Params: { account_id: string; job_id: string };
}

interface OfReplay {
  Params: { account_id: string; job_id: string; replay_id: string };
}

/** `.../logpush/jobs/:job_id/replay`: start or count, list, read, cancel. */
export function registerReplayRoutes(
  app: FastifyInstance,
  deps: ReplayOrderDeps & { readonly audit: ReplayAudit },
): void {
  const { jobs, replays, relay, audit } = deps;
  const orders = new ReplayOrders(deps);
  const all = '/accounts/:account_id/logpush/jobs/:job_id/replay';
  const one = `${all}/:replay_id`;

  const jobOf = async (params: OfJob['Params']): Promise<Job> =>
    (await jobs.get(params.account_id, jobId(params.job_id))) ?? jobNotFound();

  app.post<OfJob>(all, async (request, reply) => {
    const order = readReplayRequest(request.body);
    const job = await jobOf(request.params);
    if (order.dryRun) {
      const { count, notices } = await orders.count(job, order);
      return ok(showCount(count), notices);
    }
    const { replay = jobNotFound(), notices } = await orders.start(
      job,
      order,
      audit(request, 'start'),
    );
    const { id, accountId, ranges } = replay;
    request.log.info({ accountId, jobId: job.id, replayId: id, ranges }, 'replay started');
    return reply.code(201).send(ok(showReplay(replay), notices));
  });

  app.get<OfJob>(all, async ({ params }) => {
    const job = await jobOf(params);
    const found = await replays.list(job.accountId, job.id, MAX_LISTED_REPLAYS);
    return ok(found.map(showReplay));
  });

  app.get<OfReplay>(one, async ({ params }) => {
    const { account_id: accountId, job_id: job, replay_id: id } = params;
    return ok(showReplay(found(await replays.get(accountId, jobId(job), replayId(id)))));
  });

  app.delete<OfReplay>(one, async (request) => {
    const { account_id: accountId, job_id: job, replay_id: id } = request.params;
    const events = audit(request, 'cancel');
    const replay = found(await replays.cancel(accountId, jobId(job), replayId(id), events));
    relay.wake();
    request.log.info({ accountId, jobId: replay.jobId, replayId: replay.id }, 'replay cancelled');
    return ok(showReplay(replay));
  });
}

function replayId(text: string): number {
  return pathId(text, 'replay') ?? notFound();
}

function found(replay: Replay | undefined): Replay {
  return replay ?? notFound();
}

function notFound(): never {
  throw new ApiError(404, [{ code: CODE.notFound, message: 'replay not found' }]);
}
