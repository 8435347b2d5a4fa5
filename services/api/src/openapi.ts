import document from '@trailpush/schemas/openapi/trailpush.json' with { type: 'json' };
import type { FastifyInstance } from 'fastify';

/** `GET /openapi.json`: the OpenAPI 3.1 document of everything that is served. No credentials needed. */
export function registerOpenApiRoute(app: FastifyInstance): void {
  const text = JSON.stringify(document);
  app.get('/openapi.json', async (_request, reply) =>
    reply.header('content-type', 'application/json; charset=utf-8').send(text),
  );
}
