import type { FastifyInstance } from 'fastify';

import { ok } from '../envelope.ts';
import type { RetentionAdmin } from './retention-admin.ts';

/** `/admin/v1/audit`: what `trailpush audit` does. Register it behind the operator's gate. */
export function registerRetentionRoutes(app: FastifyInstance, admin: RetentionAdmin): void {
  app.get('/audit/retention', async () => ok(await admin.list()));
  app.put('/audit/retention', async (request) => {
    const rule = await admin.setMonths(request);
    request.log.info({ rule }, 'audit log retention changed');
    return ok(rule);
  });
  app.put('/audit/hold', async (request) => {
    const rule = await admin.setHold(request);
    request.log.info({ rule }, 'legal hold changed');
    return ok(rule);
  });
}
