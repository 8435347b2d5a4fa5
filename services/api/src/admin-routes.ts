import type { DigestKeyStore } from '@trailpush/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import type { RetentionAdmin } from './audit/retention-admin.ts';
import { registerRetentionRoutes } from './audit/retention-routes.ts';
import { sourceOf } from './audit-event.ts';
import { principalOf } from './auth.ts';
import type { DeadLetterAdmin } from './dead-letter-admin.ts';
import { registerDeadLetterAdminRoutes } from './dead-letter-routes.ts';
import { registerDigestKeyAdminRoutes } from './digest-routes.ts';
import { ApiError, CODE, ok } from './envelope.ts';
import type { ReplayAudit } from './job-audit.ts';
import type { OutboxRelay } from './outbox-relay.ts';
import type { TokenAdmin } from './token-admin.ts';

export interface AdminDeps {
  readonly admin: TokenAdmin;
  readonly deadLetters: DeadLetterAdmin;
  readonly digestKeys: DigestKeyStore;
  readonly retention: RetentionAdmin;
  readonly replayAudit: ReplayAudit;
  /** Told when there is an audit event to send. */
  readonly relay: Pick<OutboxRelay, 'wake'>;
}

/** `/admin/v1`: what `trailpush token`, `deadletters`, `digest-key` and `audit` do while the program is running. Our own interface. */
export function registerAdminRoutes(app: FastifyInstance, deps: AdminDeps): void {
  const { admin, deadLetters, digestKeys, retention, replayAudit, relay } = deps;
  app.addHook('onRequest', requireAdmin);
  registerDeadLetterAdminRoutes(app, deadLetters, replayAudit);
  registerDigestKeyAdminRoutes(app, digestKeys);
  registerRetentionRoutes(app, retention);

  app.get('/tokens', async () => ok(await admin.list()));

  app.post('/tokens', async (request, reply) => {
    const created = await admin.create(request.body, sourceOf(request));
    relay.wake();
    return reply.code(201).send(ok(created));
  });

  app.delete<{ Params: { token_id: string } }>('/tokens/:token_id', async (request) => {
    const revoked = await admin.revoke(request.params.token_id, sourceOf(request));
    relay.wake();
    return ok(revoked);
  });
}

async function requireAdmin(request: FastifyRequest): Promise<void> {
  if (principalOf(request).isAdmin) return;
  const message = 'Authentication error: this takes the admin token (TRAILPUSH_ADMIN_TOKEN)';
  throw new ApiError(403, [{ code: CODE.authentication, message }]);
}
