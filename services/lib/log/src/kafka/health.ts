import { LogClosedError } from '@trailpush/core';
import type { Clock, Logger } from '@trailpush/core';

/** Elections and restarts of single brokers pass within seconds and concern nobody. */
const patienceMs = 5_000;

interface Trouble {
  readonly sinceMs: number;
  readonly sentence: string;
  readonly told: boolean;
}

/** Collects what does not work, by who noticed, and tells of it when it lasts. */
export class KafkaHealth {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #troubles = new Map<string, Trouble>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Called at every failed attempt, so that a trouble that lasts is told in time. */
  failed(where: string, sentence: string): void {
    const now = this.#clock.monotonic();
    const before = this.#troubles.get(where);
    const sinceMs = before?.sinceMs ?? now;
    const tell = before?.told !== true && now - sinceMs >= patienceMs;
    if (tell) this.#logger.warn({ where, trouble: sentence }, 'Kafka does not work; still trying.');
    this.#troubles.set(where, { sinceMs, sentence, told: tell || before?.told === true });
  }

  worked(where: string): void {
    const before = this.#troubles.get(where);
    if (before === undefined) return;
    this.#troubles.delete(where);
    if (before.told) this.#logger.info({ where }, 'Kafka works again.');
  }

  /** The newest trouble, also when it has just begun: for errors that it explains. */
  latest(): string | undefined {
    return [...this.#troubles.values()].at(-1)?.sentence;
  }

  /** The oldest trouble that has lasted, in one sentence. */
  sentence(): string | undefined {
    const now = this.#clock.monotonic();
    for (const { sinceMs, sentence } of this.#troubles.values()) {
      if (now - sinceMs >= patienceMs) {
        return `${sentence} (for ${Math.round((now - sinceMs) / 1000)} s)`;
      }
    }
    return undefined;
  }
}

/** Waits after the failed attempt number `attempt` (1 is the first): 50 ms doubling to 5 s, jittered. */
export function backoffMs(attempt: number): number {
  const ceilingMs = Math.min(5_000, 50 * 2 ** Math.min(attempt, 20));
  return ceilingMs * (0.5 + 0.5 * Math.random());
}

/** Sleeps unless the log is closed meanwhile. @throws LogClosedError */
export async function sleepUnlessClosed(
  clock: Clock,
  ms: number,
  closing: AbortSignal,
): Promise<void> {
  try {
    await clock.sleep(ms, closing);
  } catch (error) {
    throw closing.aborted ? new LogClosedError('the log is closed') : error;
  }
}
