import {
  OffsetOutOfRangeError,
  RecordTooLargeError,
  type Clock,
  type DeadLetter,
  type DeadLetterQuery,
  type DeadLetterStore,
  type EventsOf,
  type JobStore,
  type RecordLog,
  type Replay,
} from '@trailpush/core';

import { readRecord, textOf, type RecordDeps, type ShownRecord } from './dead-letter-record.ts';
import { showDeadLetter, type ShownDeadLetter } from './dead-letter-shape.ts';
import { ApiError, CODE } from './envelope.ts';
import type { ReplayOrders } from './replay-orders.ts';

/** A dead letter with what is in it. */
export type WholeDeadLetter = ShownDeadLetter & { readonly record: ShownRecord };

/** How a letter was sent again; `replay_id` when a replay of its job does it. */
export type ResentDeadLetter = ShownDeadLetter & { readonly replay_id: number | null };

export interface DeadLetterAdminDeps extends RecordDeps {
  readonly deadLetters: DeadLetterStore;
  readonly jobs: Pick<JobStore, 'get'>;
  readonly orders: Pick<ReplayOrders, 'start'>;
  readonly log: Pick<RecordLog, 'topic' | 'append' | 'bounds' | 'openReader'>;
  readonly clock: Pick<Clock, 'now' | 'sleep'>;
}

/** Lists, shows and sends dead letters again. For the operator alone. */
export class DeadLetterAdmin {
  readonly #deps: DeadLetterAdminDeps;

  constructor(deps: DeadLetterAdminDeps) {
    this.#deps = deps;
  }

  async list(query: DeadLetterQuery): Promise<readonly ShownDeadLetter[]> {
    return (await this.#deps.deadLetters.list(query)).map(showDeadLetter);
  }

  /** @throws ApiError 404 */
  async show(id: number): Promise<WholeDeadLetter> {
    const letter = await this.#get(id);
    return { ...shown(letter), record: await readRecord(letter, this.#deps) };
  }

  /**
   * A record that was bad for everybody goes into the log once more; one that a job's destination refused is
   * replayed for that job. It is marked afterwards, so that a failure in between repeats, and loses nothing.
   * @throws ApiError 404; 409 for what cannot be sent as it is, with the reason; LogUnavailableError,
   * StoreUnavailableError
   */
  async resend(id: number, events: EventsOf<Replay>): Promise<ResentDeadLetter> {
    const letter = await this.#get(id);
    const { jobId } = letter;
    const replayId =
      jobId === null ? await this.#append(letter) : await this.#replay(letter, jobId, events);
    const resentAtMs = this.#deps.clock.now();
    await this.#deps.deadLetters.markResent(id, resentAtMs);
    return { ...shown({ ...letter, resentAtMs }), replay_id: replayId };
  }

  async #append(letter: DeadLetter): Promise<null> {
    const { problem } = await readRecord(letter, this.#deps);
    if (problem !== null) throw refused(letter, `it still cannot be read: ${problem}`);
    const key = textOf(letter.key);
    const { value } = letter;
    if (key === null || value === null) throw refused(letter, 'its key is no text');
    try {
      await this.#deps.log.append([{ key, value }]);
    } catch (error) {
      if (error instanceof RecordTooLargeError) throw refused(letter, error.message);
      throw error;
    }
    return null;
  }

  async #replay(letter: DeadLetter, jobId: number, events: EventsOf<Replay>): Promise<number> {
    const job = letter.accountId && (await this.#deps.jobs.get(letter.accountId, jobId));
    if (!job) throw refused(letter, `its job ${jobId} is no more`);
    if (!(await this.#isInLog(letter))) {
      throw refused(letter, 'the log does not hold its record any more, so it cannot be replayed');
    }
    const { partition, offset } = letter;
    const order = {
      ...{ sinceMs: undefined, beforeMs: undefined, destinationConf: undefined },
      offsets: [{ partition, first: offset, last: offset }],
      ...{ maxRecordsPerSecond: null, dryRun: false },
    };
    const { replay } = await this.#deps.orders.start(job, order, events);
    if (!replay) throw refused(letter, `its job ${jobId} is no more`);
    return replay.id;
  }

  /** False when the topic was made anew since: the offset then names another record, or none. */
  async #isInLog({ topic, partition, offset, timestampMs, value }: DeadLetter): Promise<boolean> {
    const { log } = this.#deps;
    if (topic !== log.topic) return false;
    const held = (await log.bounds()).find((of) => of.partition === partition);
    if (!held || offset < held.start || offset >= held.end) return false;
    const reader = log.openReader(partition, offset);
    try {
      const record = (await reader.read()).records.find((of) => of.offset >= offset);
      if (record?.offset !== offset || record.timestampMs !== timestampMs) return false;
      return Buffer.compare(record.value ?? NOTHING, value ?? NOTHING) === 0;
    } catch (error) {
      if (error instanceof OffsetOutOfRangeError) return false;
      throw error;
    } finally {
      await reader.close();
    }
  }

  async #get(id: number): Promise<DeadLetter> {
    const letter = await this.#deps.deadLetters.get(id);
    if (letter) return letter;
    throw new ApiError(404, [
      { code: CODE.notFound, message: `there is no dead letter with the id ${id}` },
    ]);
  }
}

const NOTHING = new Uint8Array(0);

function shown(letter: DeadLetter): ShownDeadLetter {
  return showDeadLetter({ ...letter, valueBytes: letter.value?.length ?? null });
}

function refused({ id }: DeadLetter, why: string): ApiError {
  const message = `dead letter ${id} was not sent again: ${why}`;
  return new ApiError(409, [{ code: CODE.invalid, message }]);
}
