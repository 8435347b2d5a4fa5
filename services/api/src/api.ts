import type {
  Clock,
  DeadLetterStore,
  DigestKeyStore,
  DigestStore,
  HealthStore,
  Job,
  RecordLog,
  TokenStore,
} from '@trailpush/core';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';

import { registerAdminRoutes } from './admin-routes.ts';
import { accountOf, authorize, requireToken, type AuthDeps } from './auth.ts';
import { tellReads, type ReadEventDeps } from './audit/reads.ts';
import { registerAuditRoutes, type AuditRoutesDeps } from './audit/routes.ts';
import { RetentionAdmin, type RetentionAdminDeps } from './audit/retention-admin.ts';
import { registerSavedQueryRoutes, type SavedQueryDeps } from './audit/saved-query-routes.ts';
import { registerDatasetRoutes } from './dataset-routes.ts';
import { DeadLetterAdmin, type DeadLetterAdminDeps } from './dead-letter-admin.ts';
import { registerDeadLetterRoutes } from './dead-letter-routes.ts';
import { registerDigestKeysRoute, registerDigestRoutes } from './digest-routes.ts';
import { DestinationCheck } from './destination-check.ts';
import { ApiError, CODE, sendError, sendNoRoute, unsupportedMedia } from './envelope.ts';
import { registerHealthRoutes } from './health-routes.ts';
import { registerIngestRoute, type IngestDeps } from './ingest.ts';
import { jobAudit, replayAudit } from './job-audit.ts';
import { JobChanges, type JobChangeDeps } from './job-changes.ts';
import { registerJobRoutes } from './job-routes.ts';
import { jobChangeReader, showJob, uploadLimits } from './job-shape.ts';
import { registerOpenApiRoute } from './openapi.ts';
import { Ownership, type OwnershipDeps } from './ownership.ts';
import { registerOwnershipRoutes } from './ownership-routes.ts';
import { countRequests, type RateLimit } from './rate-limit.ts';
import { registerPreviewRoute } from './preview-routes.ts';
import { ReplayOrders, type ReplayOrderDeps } from './replay-orders.ts';
import { registerReplayRoutes } from './replay-routes.ts';
import { JsonBodyError, parseStrictJson } from './strict-json.ts';
import { TokenAdmin } from './token-admin.ts';
import { registerVerifyRoutes } from './token-routes.ts';
import { registerValidateRoutes } from './validate-routes.ts';
import { registerZoneRoutes } from './zone-routes.ts';

export interface ApiDeps
  extends
    Omit<JobChangeDeps, 'log' | 'check' | 'ownership'>,
    Omit<IngestDeps, 'log'>,
    Omit<AuthDeps, 'clock'>,
    Pick<OwnershipDeps, 'challengeKey' | 'requireOwnership'>,
    AuditRoutesDeps,
    Omit<RetentionAdminDeps, 'clock'> {
  readonly log: Pick<RecordLog, 'topic' | 'bounds' | 'append' | 'openReader'>;
  readonly replays: ReplayOrderDeps['replays'];
  readonly tokens: TokenStore;
  readonly savedQueries: SavedQueryDeps['savedQueries'];
  readonly jobHealth: HealthStore;
  readonly deadLetters: DeadLetterStore;
  readonly digests: DigestStore;
  readonly digestKeys: DigestKeyStore;
  readonly openEntryReader: DeadLetterAdminDeps['openEntryReader'];
  readonly clock: Clock;
  /** Lowers the floors of `max_upload_*` (`TRAILPUSH_RELAX_LIMITS`). */
  readonly relaxLimits: boolean;
  /** An audit event for every read of an audit log (`TRAILPUSH_AUDIT_READS`). */
  readonly tellReads: boolean;
  readonly auditTrail: ReadEventDeps['auditTrail'];
  /** Requests of one token in five minutes; 0 for no limit (`TRAILPUSH_API_RATE_LIMIT`). */
  readonly rateLimit: number;
}

/** `/client/v4`, `/ingest/v1`, `/admin/v1`, `/openapi.json` and `/digest-keys.json`, as a plugin for `createHttpServer`. */
export function createApi(deps: ApiDeps): FastifyPluginAsync {
  const authenticate = requireToken(deps);
  const redactConf = (conf: string) => deps.destinations.redact(conf);
  const replays = replayAudit({ clock: deps.clock, redactConf });
  return async (app) => {
    registerOpenApiRoute(app);
    registerDigestKeysRoute(app, deps);
    await app.register(
      async (client) => {
        const limits = await countRequests(client, deps.rateLimit);
        serveEnvelope(client, [limits.ofAddress, authenticate, limits.ofToken]);
        acceptStrictJson(client);
        client.addHook('onRequest', checkScopeId);
        client.addHook('onRequest', authorizeLogpush);
        registerVerifyRoutes(client);
        if (deps.tellReads) tellReads(client, deps);
        registerAuditRoutes(client, deps);
        registerSavedQueryRoutes(client, deps);
        const { jobs, datasets, destinations } = deps;
        const check = new DestinationCheck(deps);
        const ownership = new Ownership(deps);
        const readChange = jobChangeReader(uploadLimits(deps.relaxLimits));
        const show = (job: Job) =>
          showJob(job, destinations.redact(job.spec.destinationConf.reveal()));
        registerDatasetRoutes(client, { jobs, datasets, show });
        registerReplayRoutes(client, { ...deps, ownership, audit: replays });
        registerDeadLetterRoutes(client, deps.deadLetters);
        registerDigestRoutes(client, deps.digests);
        registerPreviewRoute(client, deps);
        registerHealthRoutes(client, { ...deps, check });
        registerJobRoutes(client, {
          jobs,
          show,
          changes: new JobChanges({ ...deps, check, ownership }),
          audit: jobAudit({ clock: deps.clock, show, redactConf }),
          readChange,
        });
        registerZoneRoutes(client, { datasets, readChange });
        const limit = limits.ofChecks;
        registerOwnershipRoutes(client, { ...deps, ownership, limit });
        registerValidateRoutes(client, { jobs, datasets, destinations, check, limit });
      },
      { prefix: '/client/v4' },
    );
    await app.register(
      async (ingest) => {
        serveEnvelope(ingest, [authenticate]);
        registerIngestRoute(ingest, deps);
      },
      { prefix: '/ingest/v1' },
    );
    await app.register(
      async (admin) => {
        serveEnvelope(admin, [authenticate]);
        acceptStrictJson(admin);
        const orders = new ReplayOrders({ ...deps, ownership: new Ownership(deps) });
        registerAdminRoutes(admin, {
          admin: new TokenAdmin(deps.tokens, deps.clock),
          deadLetters: new DeadLetterAdmin({ ...deps, orders }),
          digestKeys: deps.digestKeys,
          retention: new RetentionAdmin(deps),
          replayAudit: replays,
          relay: deps.relay,
        });
      },
      { prefix: '/admin/v1' },
    );
  };
}

/** @param gates what a request has to pass, in this order */
function serveEnvelope(app: FastifyInstance, gates: readonly RateLimit[]): void {
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cf-ray': request.id,
    });
  });
  for (const gate of gates) app.addHook('onRequest', gate);
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

async function checkScopeId(request: FastifyRequest): Promise<void> {
  const {
    account_id: accountId,
    organization_id: organizationId,
    zone_id: zoneId,
  } = request.params as Record<string, string>;
  const id = accountId ?? organizationId ?? zoneId;
  if (id === undefined || /^[\w-]{1,64}$/.test(id)) return;
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
  authorize(request, accountId === undefined ? null : accountOf(accountId), 'Logs Write');
}
