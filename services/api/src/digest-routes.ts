import { createPublicKey } from 'node:crypto';
import type { Clock, DigestKey, DigestKeyStore, DigestStore } from '@trailpush/core';
import type { FastifyInstance } from 'fastify';

import { invalidParameter, Parameters } from './audit/parameters.ts';
import { ApiError, CODE, ok } from './envelope.ts';
import { pathId } from './job-routes.ts';

const NAMES = new Set(['limit', 'before']);
const LIMITS = { min: 1, max: 1000, otherwise: 100 };
/** Everybody may ask for the keys: the database is asked this often at most. */
const KEYS_MAX_AGE_MS = 5_000;

/** A digest key as operators see it. */
export interface ShownDigestKey {
  readonly id: string;
  /** PEM. */
  readonly public_key: string;
  readonly created_on: string;
  readonly retired_on: string | null;
}

/** `.../logpush/jobs/{id}/digests`: those that lie at no destination. They outlive their job. */
export function registerDigestRoutes(
  app: FastifyInstance,
  digests: Pick<DigestStore, 'list' | 'get'>,
): void {
  const base = '/accounts/:account_id/logpush/jobs/:job_id/digests';
  app.get<{ Params: { account_id: string; job_id: string } }>(base, async ({ params, url }) => {
    const parameters = new Parameters(url, NAMES);
    const limit = parameters.wholeNumber('limit', LIMITS);
    const before = sequenceOf(parameters.one('before'));
    const jobId = pathId(params.job_id, 'job') ?? 0;
    const page = { limit, ...(before === undefined ? {} : { before }) };
    const found = await digests.list(params.account_id, jobId, page);
    return ok(
      found.map((digest) => ({
        sequence: digest.sequence,
        from: new Date(digest.fromMs).toISOString(),
        to: new Date(digest.toMs).toISOString(),
        ...{ sha256: digest.hash, signature: digest.signature, key_id: digest.keyId },
      })),
    );
  });

  app.get<{ Params: { account_id: string; job_id: string; sequence: string } }>(
    `${base}/:sequence`,
    async ({ params }, reply) => {
      const jobId = pathId(params.job_id, 'job') ?? 0;
      const sequence = pathId(params.sequence, 'digest') ?? 0;
      const digest = await digests.get(params.account_id, jobId, sequence);
      if (digest === undefined) {
        const message = `digest ${params.sequence} of job ${params.job_id} is not kept here: those of object stores lie beside the objects`;
        throw new ApiError(404, [{ code: CODE.notFound, message }]);
      }
      return reply.type('application/x-ndjson').send(Buffer.from(digest.body));
    },
  );
}

/** `GET /digest-keys.json`: all public keys (RFC 7517), so that anybody can verify. No credentials needed. */
export function registerDigestKeysRoute(
  app: FastifyInstance,
  { digestKeys, clock }: { digestKeys: DigestKeyStore; clock: Clock },
): void {
  let kept: { readonly atMs: number; readonly keys: Promise<readonly DigestKey[]> } | undefined;
  app.get('/digest-keys.json', async (_request, reply) => {
    const nowMs = clock.monotonic();
    if (kept === undefined || nowMs - kept.atMs > KEYS_MAX_AGE_MS) {
      kept = { atMs: nowMs, keys: digestKeys.list() };
      // One that failed is asked for again.
      kept.keys.catch(() => (kept = undefined));
    }
    const keys = await kept.keys;
    return reply.send({ keys: keys.map(jwkOf) });
  });
}

/** `/admin/v1/digest_keys`. Register it behind the operator's gate. */
export function registerDigestKeyAdminRoutes(app: FastifyInstance, keys: DigestKeyStore): void {
  app.get('/digest_keys', async () => ok((await keys.list()).map(showKey)));

  app.post('/digest_keys/rotate', async (request) => {
    const key = await keys.rotate();
    request.log.info({ keyId: key.id }, 'digests are signed with a new key');
    return ok(showKey(key));
  });
}

function showKey({ id, publicKey, createdAtMs, retiredAtMs }: DigestKey): ShownDigestKey {
  return {
    ...{ id, public_key: publicKey, created_on: new Date(createdAtMs).toISOString() },
    retired_on: retiredAtMs === null ? null : new Date(retiredAtMs).toISOString(),
  };
}

function jwkOf(key: DigestKey): object {
  const { kty, crv, x } = createPublicKey(key.publicKey).export({ format: 'jwk' });
  const { created_on: createdAt, retired_on: retiredAt } = showKey(key);
  return {
    ...{ kty, crv, x, kid: key.id, use: 'sig', alg: 'EdDSA' },
    ...{ created_at: createdAt, retired_at: retiredAt },
  };
}

function sequenceOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalidParameter('before', 'must be the sequence of a digest, which is a whole number');
}
