import type { FastifyInstance, FastifyRequest } from 'fastify';

import { accountOf, authorize, principalOf, type Principal } from './auth.ts';
import { CODE, type Envelope } from './envelope.ts';

interface OfAccount {
  Params: { account_id: string };
}

/** `tokens/verify`: tells whoever holds a token that it works, as Cloudflare does. */
export function registerVerifyRoutes(app: FastifyInstance): void {
  app.get('/user/tokens/verify', async (request) => verified(principalOf(request)));

  app.get<OfAccount>('/accounts/:account_id/tokens/verify', async (request) =>
    verified(ofAccount(request, request.params.account_id)),
  );
}

/** Any permission will do. */
function ofAccount(request: FastifyRequest, accountId: string): Principal {
  const [first, ...others] = principalOf(request).permissions;
  return authorize(request, accountOf(accountId), first ?? 'Logs Read', ...others);
}

function verified({ tokenId, notBeforeMs, expiresAtMs }: Principal): Envelope<object> {
  return {
    errors: [],
    messages: [{ code: CODE.authentication, message: 'This API Token is valid and active' }],
    success: true,
    result: {
      id: tokenId,
      status: 'active',
      ...(notBeforeMs === null ? {} : { not_before: rfc3339(notBeforeMs) }),
      ...(expiresAtMs === null ? {} : { expires_on: rfc3339(expiresAtMs) }),
    },
  };
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
