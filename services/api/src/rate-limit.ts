import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { principalOf } from './auth.ts';
import { ApiError, CODE } from './envelope.ts';

/** A hook that counts a request, and throws ApiError 429 when there were too many. */
export type RateLimit = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

export interface RateLimits {
  /** Before authentication, so that nobody can guess tokens at full speed. */
  readonly ofAddress: RateLimit;
  /** After authentication: Cloudflare's limit, with its headers on every answer. */
  readonly ofToken: RateLimit;
  /** Of a token, for calls that make a connection to wherever the caller likes. */
  readonly ofChecks: RateLimit;
}

const WINDOW_SECONDS = 300;
const ADDRESS_REQUESTS_PER_SECOND = 200;
const CHECKS_PER_MINUTE = 10;
/** Tokens and addresses that are counted at one time; the ones longest unseen are forgotten. */
const MAX_COUNTED = 10_000;

/**
 * Counts requests in this process. One more than the limit is answered with 429 and `retry-after`, until the
 * window ends.
 * @param requestsPerToken in five minutes (`TRAILPUSH_API_RATE_LIMIT`); 0 for no limit of any kind
 */
export async function countRequests(
  app: FastifyInstance,
  requestsPerToken: number,
): Promise<RateLimits> {
  const unlimited: RateLimit = async () => undefined;
  if (requestsPerToken === 0) {
    return { ofAddress: unlimited, ofToken: unlimited, ofChecks: unlimited };
  }
  await app.register(rateLimit, { global: false, cache: MAX_COUNTED });
  const limit = (name: string, max: number, seconds: number, ofToken: boolean): RateLimit => {
    const options = { max, timeWindow: seconds * 1000, cache: MAX_COUNTED };
    const count = app.createRateLimit(
      ofToken ? { ...options, keyGenerator: (request) => principalOf(request).tokenId } : options,
    );
    return async (request, reply) => {
      const counted = await count(request);
      if (counted.isAllowed) return;
      const { remaining, ttlInSeconds, isExceeded } = counted;
      if (ofToken) {
        void reply.headers({
          ratelimit: `"${name}";r=${remaining};t=${ttlInSeconds}`,
          'ratelimit-policy': `"${name}";q=${max};w=${seconds}`,
        });
      }
      if (!isExceeded) return;
      void reply.header('retry-after', ttlInSeconds);
      const message = `more than ${max} requests in ${seconds} seconds: try again in ${ttlInSeconds} seconds`;
      throw new ApiError(429, [{ code: CODE.rateLimited, message }]);
    };
  };
  // An operator who raises the limit of a token means that one client may be that fast.
  const perSecond = Math.max(ADDRESS_REQUESTS_PER_SECOND, requestsPerToken / WINDOW_SECONDS);
  return {
    ofAddress: limit('address', Math.ceil(perSecond), 1, false),
    ofToken: limit('default', requestsPerToken, WINDOW_SECONDS, true),
    ofChecks: limit('checks', CHECKS_PER_MINUTE, 60, true),
  };
}
