import { randomBytes } from 'node:crypto';

import {
  fastify,
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
} from 'fastify';

import type { RootLogger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

export interface HttpServerOptions {
  readonly logger: RootLogger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
}

/** Bounds against slow, huge and too many clients; routes lower or raise `bodyLimit` for themselves. */
const LIMITS = {
  bodyBytes: 1024 * 1024,
  headerBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 10_000,
  connections: 1_000,
  requestsPerConnection: 10_000,
  pathParameterLength: 200,
} as const;

/**
 * The program's one HTTP server, not yet listening, with `/healthz`, `/readyz` and `/metrics`.
 * `close()` stops accepting, lets requests in flight end and closes idle connections.
 */
export function createHttpServer({
  logger,
  metrics,
  readiness,
}: HttpServerOptions): FastifyInstance {
  const loggerInstance: FastifyBaseLogger = logger;
  const app = fastify({
    loggerInstance,
    // Like the ray ids of Cloudflare: it is in log lines, audit events and the answer's `cf-ray`.
    genReqId: () => randomBytes(8).toString('hex'),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: LIMITS.bodyBytes,
    requestTimeout: LIMITS.requestTimeoutMs,
    keepAliveTimeout: LIMITS.keepAliveTimeoutMs,
    maxRequestsPerSocket: LIMITS.requestsPerConnection,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    // Malformed paths, which reach no route and no other handler.
    frameworkErrors: (error, _request, reply: FastifyReply) => {
      void reply.code(error.statusCode ?? 400).send(errorBody(1002, error.message));
    },
    // Clients such as cloudflare-go add a trailing slash.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: LIMITS.pathParameterLength },
    http: {
      headersTimeout: LIMITS.headersTimeoutMs,
      maxHeaderSize: LIMITS.headerBytes,
      connectionsCheckingInterval: 5_000,
    },
  });
  app.server.maxConnections = LIMITS.connections;

  app.addHook('onResponse', async (request, reply) => {
    // The pattern, never the path: a label per account or job would grow without bound.
    const route = request.routeOptions.url ?? 'unmatched';
    metrics.serving.httpRequests.inc({ route, status: reply.statusCode });
    request.log.debug(
      { method: request.method, route, status: reply.statusCode, durationMs: reply.elapsedTime },
      'request answered',
    );
  });
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send(errorBody(1002, error.message));
    request.log.error({ error }, 'a request failed unexpectedly');
    return reply
      .code(500)
      .send(errorBody(10_001, 'internal error; the log of the server says more'));
  });
  app.setNotFoundHandler(async (_request, reply) =>
    reply.code(404).send(errorBody(7000, 'No route for the URI')),
  );
  // Answering at all shows that the event loop turns; an outage elsewhere must not restart processes.
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const reasons = readiness.failures();
    if (reasons.length === 0) return { status: 'ready' };
    return reply.code(503).send({ status: 'not ready', reasons });
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  return app;
}

/** Errors look like those of the API also where no route of the API is asked. */
function errorBody(code: number, message: string): object {
  return { errors: [{ code, message }], messages: [], success: false, result: null };
}
