import type { Clock, Job, RecordLog } from '@trailpush/core';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';

import { authorize, requireToken, type AuthDeps } from './auth.ts';
import { registerDatasetRoutes } from './dataset-routes.ts';
import { ApiError, CODE, sendError, sendNoRoute, unsupportedMedia } from './envelope.ts';
import { registerIngestRoute, type IngestDeps } from './ingest.ts';
import { JobChanges, type JobChangeDeps } from './job-changes.ts';
import { registerJobRoutes } from './job-routes.ts';
import { jobChangeReader, showJob, uploadLimits } from './job-shape.ts';
import { registerOpenApiRoute } from './openapi.ts';
import type { ReplayOrderDeps } from './replay-orders.ts';
import { registerReplayRoutes } from './replay-routes.ts';
import { JsonBodyError, parseStrictJson } from './strict-json.ts';
import { registerVerifyRoutes } from './token-routes.ts';

export interface ApiDeps
  extends Omit<JobChangeDeps, 'log'>, Omit<IngestDeps, 'log'>, Omit<AuthDeps, 'clock'> {
  readonly log: Pick<RecordLog, 'topic' | 'bounds' | 'append' | 'openReader'>;
  readonly replays: ReplayOrderDeps['replays'];
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  /** Lowers the floors of `max_upload_*` (`TRAILPUSH_RELAX_LIMITS`). */
  readonly relaxLimits: boolean;
}

/** `/client/v4`, `/ingest/v1` and `/openapi.json`, as a plugin for `createHttpServer`. */
export function createApi(deps: ApiDeps): FastifyPluginAsync {
  const authenticate = requireToken(deps);
  return async (app) => {
    registerOpenApiRoute(app);
    await app.register(
      async (client) => {
        serveEnvelope(client, authenticate);
        acceptStrictJson(client);
        client.addHook('onRequest', checkAccountId);
        client.addHook('onRequest', authorizeLogpush);
        registerVerifyRoutes(client);
        const { jobs, datasets, destinations } = deps;
        const show = (job: Job) =>
          showJob(job, destinations.redact(job.spec.destinationConf.reveal()));
        registerDatasetRoutes(client, { jobs, datasets, show });
        registerReplayRoutes(client, deps);
        registerJobRoutes(client, {
          jobs,
          show,
          changes: new JobChanges(deps),
          readChange: jobChangeReader(uploadLimits(deps.relaxLimits)),
        });
      },
      { prefix: '/client/v4' },
    );
    await app.register(
      async (ingest) => {
        serveEnvelope(ingest, authenticate);
        registerIngestRoute(ingest, deps);
      },
      { prefix: '/ingest/v1' },
    );
  };
}

function serveEnvelope(
  app: FastifyInstance,
  authenticate: (request: FastifyRequest) => Promise<void>,
): void {
  app.addHook('onRequest', async (_request, reply) => {
    void reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });
  app.addHook('onRequest', authenticate);
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(sendNoRoute);
}

/** JSON alone: other media types get 415, which also keeps forms of foreign web pages out. */
function acceptStrictJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      if (request.headers['content-encoding'] !== undefined) {
        throw unsupportedMedia('a compressed body is not accepted here: remove Content-Encoding');
      }
      // Clients name a type also for a DELETE that has no body.
      if (body.length === 0) return undefined;
      try {
        return parseStrictJson(body);
      } catch (error) {
        if (!(error instanceof JsonBodyError)) throw error;
        throw new ApiError(400, [{ code: CODE.invalid, message: `the body ${error.message}` }]);
      }
    },
  );
  app.addContentTypeParser('*', async () => {
    throw unsupportedMedia('the body must be JSON with the header Content-Type: application/json');
  });
}

async function checkAccountId(request: FastifyRequest): Promise<void> {
  const { account_id: accountId } = request.params as { account_id?: string };
  if (accountId === undefined || /^[\w-]{1,64}$/.test(accountId)) return;
  const message = `Could not route to ${request.url.slice(0, 200)}, perhaps your object identifier is invalid?`;
  throw new ApiError(404, [
    { code: CODE.badIdentifier, message },
    { code: CODE.noRoute, message: 'No route for the URI' },
  ]);
}

/**
 * Every call of Logpush needs `Logs Write`, also those that read, as jobs hold credentials. A zone belongs to
 * an account that we do not know, so that only tokens for all accounts reach it.
 */
async function authorizeLogpush(request: FastifyRequest): Promise<void> {
  if (!(request.routeOptions.url ?? '').includes('/logpush/')) return;
  const { account_id: accountId } = request.params as { account_id?: string };
  authorize(request, accountId ?? null, 'Logs Write');
}
