import type { FastifyInstance, FastifyRequest } from 'fastify';

import type { RetentionAdmin } from './audit/retention-admin.ts';
import { registerRetentionRoutes } from './audit/retention-routes.ts';
import { principalOf } from './auth.ts';
import type { DeadLetterAdmin } from './dead-letter-admin.ts';
import { registerDeadLetterAdminRoutes } from './dead-letter-routes.ts';
import { ApiError, CODE, ok } from './envelope.ts';
import type { TokenAdmin } from './token-admin.ts';

/** `/admin/v1`: what `trailpush token`, `deadletters` and `audit` do while the program is running. Our own interface. */
export function registerAdminRoutes(
  app: FastifyInstance,
  admin: TokenAdmin,
  deadLetters: DeadLetterAdmin,
  retention: RetentionAdmin,
): void {
  app.addHook('onRequest', requireAdmin);
  registerDeadLetterAdminRoutes(app, deadLetters);
  registerRetentionRoutes(app, retention);

  app.get('/tokens', async () => ok(await admin.list()));

  app.post('/tokens', async (request, reply) =>
    reply.code(201).send(ok(await admin.create(request.body))),
  );

  app.delete<{ Params: { token_id: string } }>('/tokens/:token_id', async ({ params }) =>
    ok(await admin.revoke(params.token_id)),
  );
}

async function requireAdmin(request: FastifyRequest): Promise<void> {
  if (principalOf(request).isAdmin) return;
  const message = 'Authentication error: this takes the admin token (TRAILPUSH_ADMIN_TOKEN)';
  throw new ApiError(403, [{ code: CODE.authentication, message }]);
}
