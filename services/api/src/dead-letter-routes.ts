import type { DeadLetterStore } from '@trailpush/core';
import type { FastifyInstance } from 'fastify';

import { readDeadLetterQuery, showDeadLetter } from './dead-letter-shape.ts';
import { ok } from './envelope.ts';

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
