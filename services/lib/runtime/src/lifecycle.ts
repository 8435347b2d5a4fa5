import type { Clock, Logger } from '@trailpush/core';

import { describeError } from './logger.ts';

/** The usual grace before SIGKILL is 30 s. */
const SHUTDOWN_BUDGET_MS = 25_000;

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

export interface LifecycleOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Replaced in tests. */
  readonly exit?: (code: number) => void;
}

interface Step {
  readonly name: string;
  readonly maxMs: number;
  readonly run: () => Promise<void>;
}

/**
 * What was opened last is closed first. Each step is bounded, and all of them together by 25 s; a step
 * that is late or fails is logged and the next one runs, since a kill must be survived anyway.
 */
export class Lifecycle {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #exit: (code: number) => void;
  readonly #steps: Step[] = [];
  #shutdown: Promise<number> | undefined;

  constructor({ clock, logger, exit = (code) => process.exit(code) }: LifecycleOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#exit = exit;
  }

  /** For the readiness check: no new work from now on. */
  get isShuttingDown(): boolean {
    return this.#shutdown !== undefined;
  }

  /** Adds what closes something that was just opened. */
  defer(name: string, maxMs: number, run: () => Promise<void>): void {
    this.#steps.push({ name, maxMs, run });
  }

  /**
   * Runs the steps once. Resolves to the exit code: 0, or 1 when a step failed or was late.
   */
  shutdown(): Promise<number> {
    this.#shutdown ??= this.#runSteps();
    return this.#shutdown;
  }

  /**
   * From now on SIGINT and SIGTERM shut down and end the process; a second one ends it at once with
   * 128 + its number. An error that nobody caught is a bug: it ends the process with code 1 after one
   * line, as state in memory can no longer be trusted and progress is stored.
   */
  listen(): void {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        this.#onSignal(signal);
      });
    }
    process.on('uncaughtException', (error) => {
      this.#onUncaught(error);
    });
    process.on('unhandledRejection', (reason) => {
      this.#onUncaught(reason);
    });
  }

  #onSignal(signal: keyof typeof SIGNAL_NUMBERS): void {
    if (this.#shutdown) {
      this.#exit(128 + SIGNAL_NUMBERS[signal]);
      return;
    }
    this.#logger.info({ signal }, 'shutting down');
    void this.shutdown().then((code) => {
      this.#exit(code);
    });
  }

  #onUncaught(reason: unknown): void {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    const at = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '));
    this.#logger.error(
      { error: describeError(error, false), at: at?.trim() },
      'the program failed unexpectedly and stops',
    );
    this.#exit(1);
  }

  async #runSteps(): Promise<number> {
    const deadline = this.#clock.monotonic() + SHUTDOWN_BUDGET_MS;
    let exitCode = 0;
    for (const step of this.#steps.toReversed()) {
      const allowedMs = Math.max(0, Math.min(step.maxMs, deadline - this.#clock.monotonic()));
      try {
        await this.#runBounded(step, allowedMs);
      } catch (error) {
        exitCode = 1;
        this.#logger.warn({ step: step.name, error }, 'a shutdown step did not finish');
      }
    }
    return exitCode;
  }

  async #runBounded(step: Step, allowedMs: number): Promise<void> {
    const finished = new AbortController();
    const timeout = this.#clock.sleep(allowedMs, finished.signal).then(
      () => {
        throw new Error(`not finished after ${allowedMs} ms`);
      },
      () => undefined,
    );
    const run = step.run();
    // A step that loses the race may still fail later; it was reported already.
    run.catch(() => undefined);
    try {
      await Promise.race([run, timeout]);
    } finally {
      finished.abort();
    }
  }
}
