import { messageOf, type Clock, type HealthStore, type Logger, type Notice } from '@trailpush/core';
import { backoffMs } from '@trailpush/runtime';

const LOOK_MS = 15_000;
const TAKEN_AT_ONCE = 10;
/** Longer than sending all of them can take. */
const LEASE_MS = 10 * 60_000;
const SEND_DEADLINE_MS = 30_000;
const RETRY = { baseMs: 60_000, capMs: 6 * 3_600_000 };
/** About three days with the back-off above. */
const MAX_TRIES = 20;

/** Names of alerts; the first is what Logpush calls its own. */
const ALERT_TYPES = {
  job_disabled: 'failing_logpush_job_disabled_alert',
  gap: 'trailpush_log_gap_alert',
  dead_letter: 'trailpush_dead_letter_alert',
} as const;
const NAMES = {
  job_disabled: 'Failing Logpush Job Disabled',
  gap: 'Events Lost Before Delivery',
  dead_letter: 'Records Set Aside',
} as const;

/** Posts one JSON text. Rejects with what to tell the operator when it was not taken. */
export type PostWebhook = (body: string, signal: AbortSignal) => Promise<void>;

/** Sends notices to the operator's webhook: each at least once, until it is taken or was tried for days. */
export class Notifier {
  readonly #store: HealthStore;
  readonly #post: PostWebhook;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  #unschedule: (() => void) | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: {
    store: HealthStore;
    post: PostWebhook;
    clock: Clock;
    logger: Logger;
    random: () => number;
  }) {
    this.#store = options.store;
    this.#post = options.post;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#random = options.random;
  }

  start(): void {
    const look = (): void => {
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    };
    this.#unschedule = this.#clock.every(LOOK_MS, look);
  }

  /** What is being sent is cut short, and sent again by the next process. */
  async stop(): Promise<void> {
    this.#unschedule?.();
    this.#stop.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      for (const notice of await this.#store.takeNotices(TAKEN_AT_ONCE, LEASE_MS)) {
        if (this.#stop.signal.aborted) return;
        await this.#send(notice);
      }
    } catch (error) {
      // Those that were taken are due again when their lease is over.
      this.#logger.warn({ error: messageOf(error) }, 'notices cannot be sent at the moment');
    }
  }

  async #send(notice: Notice): Promise<void> {
    const { id, kind, tries, jobId } = notice;
    const patience = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, patience.signal]);
    this.#clock.sleep(SEND_DEADLINE_MS, signal).then(
      () => patience.abort(new Error(`no answer within ${SEND_DEADLINE_MS} ms`)),
      () => undefined,
    );
    try {
      await this.#post(JSON.stringify(payloadOf(notice)), signal);
    } catch (error) {
      const fields = { notice: kind, job: jobId, tries, error: messageOf(error) };
      if (tries >= MAX_TRIES) {
        this.#logger.error(fields, 'a notice was given up; check TRAILPUSH_NOTIFY_WEBHOOK');
        await this.#store.settleNotice(id);
        return;
      }
      this.#logger.warn(fields, 'a notice was not taken, and is sent again later');
      const waitMs = backoffMs(tries, { ...RETRY, random: this.#random });
      await this.#store.settleNotice(id, this.#clock.now() + waitMs);
      return;
    } finally {
      patience.abort();
    }
    await this.#store.settleNotice(id);
  }
}

/** In the shape of Cloudflare's webhook notifications; `id` is the same whenever a notice is repeated. */
function payloadOf({ id, kind, jobId, accountId, message, createdAtMs }: Notice): object {
  return {
    id: String(id),
    name: NAMES[kind],
    alert_type: ALERT_TYPES[kind],
    text: message,
    ts: Math.floor(createdAtMs / 1000),
    account_id: accountId,
    data: { job_id: jobId },
  };
}
