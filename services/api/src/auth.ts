import { createHash, timingSafeEqual } from 'node:crypto';

import type { Secret } from '@trailpush/core';
import type { FastifyRequest } from 'fastify';

import { authenticationError } from './envelope.ts';

/** Longer ones are nobody's, and are not worth hashing. */
const MAX_TOKEN_CHARACTERS = 512;

const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

/**
 * A hook that lets only the admin token in: `Authorization: Bearer <token>`, once. Comparing digests
 * takes the same time whatever the two have in common.
 */
export function requireAdminToken(adminToken: Secret): (request: FastifyRequest) => Promise<void> {
  const expected = digest(adminToken.reveal());
  return async (request) => {
    const token = bearerToken(request);
    if (token === undefined || !timingSafeEqual(digest(token), expected)) {
      throw authenticationError();
    }
  };
}

function bearerToken(request: FastifyRequest): string | undefined {
  // Node keeps only the first of several Authorization headers; a proxy may have judged another one.
  const count = request.raw.rawHeaders.filter(
    (name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization',
  ).length;
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (count !== 1 || token === undefined) return undefined;
  return token.length <= MAX_TOKEN_CHARACTERS ? token : undefined;
}
