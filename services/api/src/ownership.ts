import { createHmac, randomUUID } from 'node:crypto';

import type { ChangeTrail, Clock } from '@trailpush/core';
import { errors, jwtVerify, SignJWT } from 'jose';

import { invalidProperty } from './envelope.ts';
import type { DestinationConfs } from './job-changes.ts';

export interface OwnershipDeps {
  readonly destinations: Pick<DestinationConfs, 'parse' | 'demandsOwnership'>;
  /** 32 bytes that nobody else has; the same in all processes. */
  readonly challengeKey: Uint8Array;
  /** Whether jobs are refused without a proof (`TRAILPUSH_REQUIRE_OWNERSHIP`). */
  readonly requireOwnership: boolean;
  readonly clock: Pick<Clock, 'now'>;
}

/** As Logpush has it. */
const LIFETIME_SECONDS = 7 * 24 * 3600;
const ISSUER = 'trailpush';
const AUDIENCE = 'logpush-ownership';

/**
 * Proofs that an account can read at a destination: a JWT that is written there and has to come back. It is bound to
 * the account or zone, to the exact destination_conf and to the place that this means.
 */
export class Ownership {
  readonly #deps: OwnershipDeps;

  constructor(deps: OwnershipDeps) {
    this.#deps = deps;
  }

  /** A token for a conf that `parse` takes. `scope` is `account:<id>` or `zone:<id>`. */
  issue(scope: string, conf: string): Promise<string> {
    const nowSeconds = Math.floor(this.#deps.clock.now() / 1000);
    return new SignJWT(this.#claims(conf))
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(scope)
      .setJti(randomUUID())
      .setIssuedAt(nowSeconds)
      .setExpirationTime(nowSeconds + LIFETIME_SECONDS)
      .sign(this.#deps.challengeKey);
  }

  /** Whether a job may only have this conf with a proof. */
  isDemanded(conf: string): boolean {
    const { requireOwnership, destinations } = this.#deps;
    return requireOwnership && destinations.demandsOwnership(conf);
  }

  /** What a change uses up; undefined when it needs no proof. @throws ApiError 400 that says what is wrong */
  async prove(
    scope: string,
    conf: string,
    token: string | undefined,
  ): Promise<Pick<ChangeTrail, 'challenge'> | undefined> {
    if (!this.isDemanded(conf)) return undefined;
    if (token === undefined || token === '') {
      throw invalidProperty(
        'ownership_challenge',
        'ownership_challenge must be given for this destination: POST the same destination_conf to logpush/ownership and send the token that it writes to ownership-challenge.txt',
      );
    }
    const proof = await this.verify(scope, conf, token);
    if ('problem' in proof) throw invalidProperty('ownership_challenge', proof.problem);
    return { challenge: proof };
  }

  /** Does not use it up. */
  async verify(
    scope: string,
    conf: string,
    token: string,
  ): Promise<{ readonly problem: string } | NonNullable<ChangeTrail['challenge']>> {
    try {
      const { payload } = await jwtVerify(token.trim(), this.#deps.challengeKey, {
        algorithms: ['HS256'],
        issuer: ISSUER,
        audience: AUDIENCE,
        requiredClaims: ['exp', 'jti', 'sub'],
        currentDate: new Date(this.#deps.clock.now()),
      });
      const expected = this.#claims(conf);
      if (payload.sub !== scope) {
        return { problem: 'ownership_challenge is that of another account or zone' };
      }
      if (payload['conf'] !== expected.conf || payload['place'] !== expected.place) {
        return {
          problem:
            'ownership_challenge is that of another destination_conf: request one for exactly this text',
        };
      }
      return { id: payload.jti ?? '', expiresAtMs: (payload.exp ?? 0) * 1000 };
    } catch (error) {
      if (error instanceof errors.JWTExpired) {
        return { problem: 'ownership_challenge is older than seven days: request another one' };
      }
      if (!(error instanceof errors.JOSEError)) throw error;
      return { problem: 'ownership_challenge is not a token from ownership-challenge.txt' };
    }
  }

  /** Keyed hashes: the token is written to a place that others may read, and a conf holds credentials. */
  #claims(conf: string): { readonly conf: string; readonly place: string } {
    const { location, pathTemplate } = this.#deps.destinations.parse(conf);
    const hash = (text: string) =>
      createHmac('sha256', this.#deps.challengeKey).update(text).digest('base64url');
    return { conf: hash(`conf ${conf}`), place: hash(`place ${location}/${pathTemplate}`) };
  }
}
