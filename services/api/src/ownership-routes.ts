import { InvalidDestinationError, type Clock } from '@trailpush/core';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

import { bodyReader } from './body-reader.ts';
import { withDeadline } from './deadline.ts';
import { ok } from './envelope.ts';
import type { DestinationConfs } from './job-changes.ts';
import type { Ownership } from './ownership.ts';
import type { RateLimit } from './rate-limit.ts';

export interface OwnershipRoutesDeps {
  readonly ownership: Ownership;
  readonly destinations: DestinationConfs;
  readonly clock: Clock;
  /** Each of these calls makes a connection to wherever the caller likes. */
  readonly limit: RateLimit;
}

const text = z.string({ error: 'must be a text' });
const confBody = z.object({ destination_conf: text });
const proofBody = z.object({ destination_conf: text, ownership_challenge: text });

interface OfScope {
  Params: { account_id?: string; zone_id?: string };
}

/** `logpush/ownership`: writes a challenge, and checks one. What is wrong is said in a result that is not valid. */
export function registerOwnershipRoutes(app: FastifyInstance, deps: OwnershipRoutesDeps): void {
  const { ownership, destinations } = deps;
  const readConf = bodyReader(confBody, 'this request');
  const readProof = bodyReader(proofBody, 'this request');

  for (const prefix of ['/accounts/:account_id', '/zones/:zone_id']) {
    const path = `${prefix}/logpush/ownership`;

    app.post<OfScope>(path, { onRequest: deps.limit }, async ({ params, body }) => {
      const { destination_conf: conf } = readConf(body);
      return ok(await challenge(deps, scopeOf(params), conf));
    });

    app.post<OfScope>(`${path}/validate`, async ({ params, body }) => {
      const { destination_conf: conf, ownership_challenge: token } = readProof(body);
      const problem = await problemOf(() => {
        destinations.parse(conf);
        return ownership.verify(scopeOf(params), conf, token);
      });
      return ok({ valid: problem === undefined }, problem === undefined ? [] : [problem]);
    });
  }
}

function scopeOf({ account_id: accountId, zone_id: zoneId }: OfScope['Params']): string {
  return accountId === undefined ? `zone:${zoneId ?? ''}` : `account:${accountId}`;
}

/** Undefined when nothing is wrong. */
async function problemOf(
  verify: () => Promise<object | { readonly problem: string }>,
): Promise<string | undefined> {
  try {
    const proof = await verify();
    return 'problem' in proof ? proof.problem : undefined;
  } catch (error) {
    if (error instanceof InvalidDestinationError) return error.message;
    throw error;
  }
}

async function challenge(
  { ownership, destinations, clock }: OwnershipRoutesDeps,
  scope: string,
  conf: string,
): Promise<{ filename: string; message: string; valid: boolean }> {
  try {
    const filename = destinations.challengeFilename(conf);
    const token = await ownership.issue(scope, conf);
    const { verdict, message } = await withDeadline(clock, (signal) =>
      destinations.putChallenge(conf, token, signal),
    );
    if (verdict.kind === 'delivered') return { filename, message: '', valid: true };
    return {
      filename,
      message: `error writing ${filename}: ${message ?? 'no answer'}`,
      valid: false,
    };
  } catch (error) {
    if (!(error instanceof InvalidDestinationError)) throw error;
    return { filename: '', message: error.message, valid: false };
  }
}
