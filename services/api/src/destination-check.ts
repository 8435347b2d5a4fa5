import { InvalidDestinationError, type AttemptResult, type Clock } from '@trailpush/core';

import { withDeadline } from './deadline.ts';
import { ApiError, CODE } from './envelope.ts';
import type { DestinationConfs } from './job-changes.ts';

export interface DestinationCheckDeps {
  readonly destinations: DestinationConfs;
  readonly clock: Clock;
}

/** Under way at one time. An account has no more than Terraform makes at once. */
const MAX_CHECKS = 64;
const MAX_CHECKS_PER_ACCOUNT = 10;

/**
 * Sends Logpush's test upload before a destination is stored, so that a wrong one is noticed by whoever
 * typed it. Bounded in time and number; whoever comes too many is sent away to try again.
 */
export class DestinationCheck {
  readonly #deps: DestinationCheckDeps;
  /** Checks under way by account. */
  readonly #underWay = new Map<string, number>();

  constructor(deps: DestinationCheckDeps) {
    this.#deps = deps;
  }

  /** @throws InvalidDestinationError in Cloudflare's wording; ApiError 429 when too many are under way. */
  async require(accountId: string, conf: string): Promise<void> {
    const result = await this.attempt(accountId, conf);
    if (result.verdict.kind !== 'delivered') throw new InvalidDestinationError(wording(result));
  }

  /** What came of one test upload. @throws ApiError 429 as above */
  async attempt(accountId: string, conf: string): Promise<AttemptResult> {
    const ofAccount = this.#underWay.get(accountId) ?? 0;
    const all = [...this.#underWay.values()].reduce((sum, count) => sum + count, 0);
    if (ofAccount >= MAX_CHECKS_PER_ACCOUNT || all >= MAX_CHECKS) {
      const message = `${ofAccount} destinations of the account, and ${all} in all, are being checked already: try again`;
      throw new ApiError(429, [{ code: CODE.rateLimited, message }]);
    }
    this.#underWay.set(accountId, ofAccount + 1);
    try {
      return await this.#probe(conf);
    } finally {
      const left = (this.#underWay.get(accountId) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(accountId);
      else this.#underWay.set(accountId, left);
    }
  }

  /** What is wrong with a conf, or with what it names; undefined when the test upload arrived. */
  async judge(accountId: string, conf: string): Promise<string | undefined> {
    try {
      this.#deps.destinations.parse(conf);
      await this.require(accountId, conf);
      return undefined;
    } catch (error) {
      if (error instanceof InvalidDestinationError) return error.message;
      throw error;
    }
  }

  async #probe(conf: string): Promise<AttemptResult> {
    const { destinations, clock } = this.#deps;
    return withDeadline(clock, (signal) => destinations.probe(conf, signal));
  }
}

/**
 * `error 415: error pushing: error uploading to https: 415 <answer>`, as attempts say it, in the wording of
 * checks: `error validating destination: error writing object: error uploading to https: 415 <answer>`. What had
 * no answer begins with the name of the error, such as `DNSError`.
 */
function wording({ message = '', status }: AttemptResult): string {
  const words = message.replace(/^error \d+: error pushing: /, '');
  const fault = status === undefined ? /^error uploading to [^:]*: \d+ (.*)$/s.exec(words) : null;
  return `error validating destination: error writing object: ${fault?.[1] ?? words}`;
}
