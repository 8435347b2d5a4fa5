import {
  messageOf,
  OutboxFullError,
  StoreUnavailableError,
  type AuditDrop,
  type AuditRetention,
  type Clock,
  type Logger,
} from '@trailpush/core';
import { eventIds } from '@trailpush/datasets';
import type { Metrics } from '@trailpush/runtime';

import { dropEvent } from './drop-event.ts';

const EVERY_MS = 3_600_000;
const RETRY_MS = 60_000;
/** Longer than a step takes, so that nobody else begins meanwhile. Two at once would only be in each other's way. */
const LEASE_MS = 120_000;
const EXTEND_MS = 30_000;

export interface RetentionOptions {
  readonly retention: Pick<AuditRetention, 'lease' | 'enforce'>;
  /** For tenants without a rule of their own; 0: for ever. */
  readonly retentionMonths: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Of this process, unique. */
  readonly owner: string;
}

/**
 * Removes what has expired from the audit store: looks when it starts and every hour. Of several processes one
 * does it at a time. What fails is tried again a minute later.
 */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #newId: () => string;
  readonly #stop = new AbortController();
  #work: Promise<void> = Promise.resolve();

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#newId = eventIds(options.clock);
  }

  start(): void {
    this.#work = this.#run();
  }

  /** Ends after the step under way; the next start goes on there. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      let waitMs = EVERY_MS;
      try {
        if (!(await this.#enforce())) waitMs = RETRY_MS;
      } catch (error) {
        waitMs = RETRY_MS;
        const isTrouble =
          error instanceof StoreUnavailableError || error instanceof OutboxFullError;
        if (isTrouble) logger.warn({ error: messageOf(error) }, 'expired audit logs stay for now');
        else logger.error({ error }, 'expired audit logs cannot be removed');
      }
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** False when another process is at it, or was when it died. */
  async #enforce(): Promise<boolean> {
    const { retention, owner } = this.#options;
    if (!(await retention.lease(owner, LEASE_MS))) return false;
    await this.#dropAll();
    await retention.lease(owner, 0);
    return true;
  }

  async #dropAll(): Promise<void> {
    const { retention, clock, owner, retentionMonths } = this.#options;
    let leasedAtMs = clock.monotonic();
    const policy = { nowMs: clock.now(), defaultMonths: retentionMonths };
    const describe = (drop: AuditDrop) =>
      dropEvent(drop, { id: this.#newId(), nowMs: policy.nowMs });
    for await (const drop of retention.enforce(policy, describe)) {
      if (drop) this.#report(drop);
      if (this.#stop.signal.aborted) return;
      if (clock.monotonic() - leasedAtMs < EXTEND_MS) continue;
      if (!(await retention.lease(owner, LEASE_MS))) return;
      leasedAtMs = clock.monotonic();
    }
  }

  #report({ tenant, events, firstMicros, lastMicros, months, isDefault }: AuditDrop): void {
    const { logger, metrics } = this.#options;
    metrics.indexing.expiredEvents.inc(events);
    const [first, last] = [firstMicros, lastMicros].map((micros) => new Date(micros / 1000));
    logger.info({ tenant, events, first, last, months, isDefault }, 'expired audit logs removed');
  }
}
