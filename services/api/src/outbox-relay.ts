import {
  LogClosedError,
  LogUnavailableError,
  messageOf,
  StoreUnavailableError,
  type Clock,
  type Logger,
  type Outbox,
  type OutboxEntry,
  type RecordLog,
} from '@trailpush/core';
import { EventProducer, type InputLine, type LineEncoder } from '@trailpush/datasets';
import type { Metrics } from '@trailpush/runtime';

export interface OutboxRelayDeps {
  readonly outbox: Outbox;
  readonly log: Pick<RecordLog, 'append'>;
  readonly encoder: Pick<LineEncoder, 'encodeLine'>;
  readonly maxRecordBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many wait. */
  readonly waiting: Metrics['serving']['outboxEvents'];
}

/** Behind the calls of `wake`: for what other processes left behind, and for a log that was away. */
const LOOK_INTERVAL_MS = 5_000;
const BATCH_ENTRIES = 100;
/** Longer than the log takes to confirm or to give up: two senders at once would send twice. */
const LEASE_MS = 120_000;

/** Brings audit events from the outbox to the log, in order, at least once. One batch at a time. */
export class OutboxRelay {
  readonly #deps: OutboxRelayDeps;
  #run: Promise<void> | undefined;
  #again = false;
  #failing = false;
  #stopLooking: (() => void) | undefined;

  constructor(deps: OutboxRelayDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#stopLooking ??= this.#deps.clock.every(LOOK_INTERVAL_MS, () => this.wake());
    this.wake();
  }

  /** There is something to send. Does not wait for it. */
  wake(): void {
    this.#again = true;
    this.#run ??= this.#empty().finally(() => {
      this.#run = undefined;
    });
  }

  /** Ends with what is being sent; the rest stays in the outbox. */
  async stop(): Promise<void> {
    this.#stopLooking?.();
    this.#again = false;
    await this.#run;
  }

  async #empty(): Promise<void> {
    const { outbox, logger, waiting } = this.#deps;
    try {
      while (this.#again) {
        this.#again = false;
        const entries = await outbox.take(BATCH_ENTRIES, LEASE_MS);
        if (entries.length > 0) {
          await this.#send(entries);
          this.#again = true;
        }
        waiting.set(await outbox.count());
      }
      this.#failing = false;
    } catch (error) {
      this.#again = false;
      if (this.#failing) return;
      this.#failing = true;
      const fields = { reason: messageOf(error) };
      if (isUnavailable(error)) logger.warn(fields, 'audit events of our own wait in the outbox');
      else logger.error({ error }, 'audit events of our own cannot be sent');
    }
  }

  async #send(entries: readonly OutboxEntry[]): Promise<void> {
    const { outbox, logger } = this.#deps;
    const ids = entries.map(({ id }) => id);
    try {
      const refused = await this.#append(entries.map(({ line }) => line));
      // Only a body can make one of our own events too large: the event matters more than its body.
      const lost = await this.#append(refused.map(({ line }) => withoutBodies(line)));
      for (const { line, reason } of lost) {
        logger.error({ line, reason }, 'an audit event cannot be sent: this line is all there is');
      }
    } catch (error) {
      await outbox.release(ids);
      throw error;
    }
    await outbox.remove(ids);
  }

  /** Resolves to the lines that can never be sent, when the log has all others. */
  async #append(texts: readonly string[]): Promise<readonly { line: string; reason: string }[]> {
    const { log, encoder, maxRecordBytes } = this.#deps;
    const producer = new EventProducer({ log, encoder, maxLineBytes: maxRecordBytes });
    const refused = [];
    for await (const { line, reason } of producer.produce(numbered(texts))) {
      refused.push({ line: texts[line - 1] ?? '', reason });
    }
    return refused;
  }
}

async function* numbered(texts: readonly string[]): AsyncGenerator<InputLine, void, void> {
  for (const [index, text] of texts.entries()) {
    yield { number: index + 1, bytes: Buffer.from(text) };
  }
}

function withoutBodies(line: string): string {
  const { resource, ...event } = JSON.parse(line) as { resource: Record<string, unknown> };
  const { id, product, scope, type } = resource;
  const none = { old_value: undefined, new_value: undefined };
  return JSON.stringify({ ...event, ...none, resource: { id, product, scope, type } });
}

function isUnavailable(error: unknown): boolean {
  return (
    error instanceof LogUnavailableError ||
    error instanceof LogClosedError ||
    error instanceof StoreUnavailableError
  );
}
