import type { DeadLetterStore } from '@trailpush/core';
import type { FastifyInstance } from 'fastify';

import type { DeadLetterAdmin } from './dead-letter-admin.ts';
import { readDeadLetterQuery, readOperatorQuery, showDeadLetter } from './dead-letter-shape.ts';
import { ApiError, CODE, ok } from './envelope.ts';
import type { ReplayAudit } from './job-audit.ts';
import { pathId } from './job-routes.ts';

/** `.../logpush/dead_letters`: what was set aside of an account's records, and why. */
export function registerDeadLetterRoutes(
  app: FastifyInstance,
  letters: Pick<DeadLetterStore, 'list'>,
): void {
  app.get<{ Params: { account_id: string } }>(
    '/accounts/:account_id/logpush/dead_letters',
    async ({ params, url }) => {
      const found = await letters.list(readDeadLetterQuery(url, params.account_id));
      return ok(found.map(showDeadLetter));
    },
  );
}

interface OfLetter {
  Params: { letter_id: string };
}

/** `/admin/v1/dead_letters`: what `trailpush deadletters` does. Register it behind the operator's gate. */
export function registerDeadLetterAdminRoutes(
  app: FastifyInstance,
  admin: DeadLetterAdmin,
  audit: ReplayAudit,
): void {
  app.get('/dead_letters', async ({ url }) => ok(await admin.list(readOperatorQuery(url))));

  app.get<OfLetter>('/dead_letters/:letter_id', async ({ params }) =>
    ok(await admin.show(letterId(params.letter_id))),
  );

  app.post<OfLetter>('/dead_letters/:letter_id/resend', async (request) => {
    const resent = await admin.resend(letterId(request.params.letter_id), audit(request, 'start'));
    const { id, account_id: accountId, job_id: jobId, replay_id: replayId } = resent;
    request.log.info({ deadLetterId: id, accountId, jobId, replayId }, 'dead letter sent again');
    return ok(resent);
  });
}

function letterId(text: string): number {
  const id = pathId(text, 'dead letter');
  if (id !== undefined) return id;
  throw new ApiError(404, [{ code: CODE.notFound, message: 'there is no such dead letter' }]);
}
