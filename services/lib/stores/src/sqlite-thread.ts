import { Worker } from 'node:worker_threads';

import { StoreUnavailableError, type Clock } from '@trailpush/core';

import { BulkRows } from './bulk.ts';
import { sqliteFault } from './sqlite-faults.ts';

export interface SqliteWorkerData {
  readonly file: string;
}

/** `reader` sees what is committed, whatever transaction the writer has open. */
export type SqliteConnectionName = 'reader' | 'writer';

export type SqliteRequest =
  | (SqliteStatement & { readonly parameters: readonly unknown[] })
  /** The statement once for each row. */
  | (SqliteStatement & { readonly rows: readonly (readonly unknown[])[] })
  | 'close';

interface SqliteStatement {
  readonly on: SqliteConnectionName;
  readonly sql: string;
}

export type SqliteAnswer =
  | { readonly rows: unknown[]; readonly changes?: number }
  /** SQLite's code; NOT_OPENED; or MISUSED, when the statement never reached it. */
  | { readonly code: string; readonly message: string };

export interface SqliteResult {
  readonly rows: unknown[];
  readonly changes: number | undefined;
}

interface Waiting {
  readonly sinceMs: number;
  readonly resolve: (result: SqliteResult) => void;
  readonly reject: (error: Error) => void;
}

/** One life of the worker thread of a file. After it ended, every statement is refused. */
export class SqliteThread {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #worker: Worker;
  /** The worker answers in order. Bounded by the callers: one statement each. */
  readonly #waiting: Waiting[] = [];
  readonly #exited: Promise<void>;
  #end: Error | undefined;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
    const workerData: SqliteWorkerData = { file };
    this.#worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData });
    this.#worker.on('message', (answer: SqliteAnswer) => this.#settle(answer));
    this.#worker.on('error', (cause) => this.#ended({ cause }));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#ended();
        resolve();
      });
    });
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  get statementsWaiting(): number {
    return this.#waiting.length;
  }

  /** How long the oldest statement has been waiting; 0 when none is. */
  waitingMs(): number {
    const oldest = this.#waiting[0];
    return oldest === undefined ? 0 : this.#clock.monotonic() - oldest.sinceMs;
  }

  run(
    on: SqliteConnectionName,
    sql: string,
    parameters: readonly unknown[],
  ): Promise<SqliteResult> {
    const [bulk] = parameters;
    return this.#ask(
      bulk instanceof BulkRows ? { on, sql, rows: bulk.rows } : { on, sql, parameters },
    );
  }

  #ask(request: SqliteRequest): Promise<SqliteResult> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end);
        return;
      }
      // Posting first: it throws when a parameter cannot be copied, and then nothing is waited for.
      this.#post(request);
      this.#waiting.push({ sinceMs: this.#clock.monotonic(), resolve, reject });
    });
  }

  async close(): Promise<void> {
    if (!this.ended) this.#post('close');
    await this.#exited;
  }

  #post(request: SqliteRequest): void {
    this.#worker.postMessage(request);
  }

  #settle(answer: SqliteAnswer): void {
    const waiting = this.#waiting.shift();
    if ('code' in answer) waiting?.reject(sqliteFault(this.#file, answer));
    else waiting?.resolve({ rows: answer.rows, changes: answer.changes });
  }

  #ended(options?: ErrorOptions): void {
    this.#end ??= new StoreUnavailableError(
      `the thread of the database ${this.#file} has ended: the next statement starts it again`,
      options,
    );
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end);
  }
}
