import { Worker } from 'node:worker_threads';
import { LogUnavailableError } from '@trailpush/core';
import type { Failure, OperationName, Operations, Reply } from './protocol.ts';

interface Waiting {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: LogUnavailableError) => void;
}

/** The calling side of the thread that holds the log's file. Operations run in the order of the calls. */
export class LogWorker {
  readonly #worker = new Worker(new URL('./worker.ts', import.meta.url));
  readonly #dir: string;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #ended: LogUnavailableError | undefined;

  /** `dir` is named in errors. */
  constructor(dir: string) {
    this.#dir = dir;
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('error', (error: Error) => this.#end(error.message));
    this.#worker.on('exit', () => this.#end('its thread ended'));
  }

  /**
   * Performs one operation; `moved` memory is handed over and gone here.
   * @throws LogUnavailableError that says what failed.
   */
  async call<Name extends OperationName>(
    name: Name,
    request: Operations[Name]['request'],
    moved: ArrayBuffer[] = [],
  ): Promise<Operations[Name]['reply']> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#nextId;
    this.#nextId += 1;
    const answered = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    this.#worker.postMessage({ id, name, request }, moved);
    return (await answered) as Operations[Name]['reply'];
  }

  /** Closes the file after all that was called before, and ends the thread. Never rejects. */
  async close(): Promise<void> {
    // A thread that has ended holds no file any more.
    await this.call('close', undefined).catch(() => undefined);
    await this.#worker.terminate();
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('failure' in reply) waiting?.reject(explain(reply.failure, this.#dir));
    else waiting?.resolve(reply.reply);
  }

  #end(why: string): void {
    this.#ended ??= new LogUnavailableError(
      `the log in ${this.#dir} has stopped (${why}): restart the process`,
    );
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

/** What a failure means to the person who runs the program. */
function explain({ code = '', message }: Failure, dir: string): LogUnavailableError {
  return new LogUnavailableError(explanation(code, message, dir));
}

function explanation(code: string, message: string, dir: string): string {
  if (code === 'SQLITE_FULL') {
    return `the disk that holds ${dir} is full: free some space there`;
  }
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED') {
    return `the log in ${dir} is in use by another process: stop it, or choose another data folder`;
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return `the log in ${dir} is damaged (${message}): restore log.db from a backup, or move it away`;
  }
  if (code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_READONLY')) {
    return `the log in ${dir} cannot be written (${message}): check the owner and mode of that folder`;
  }
  if (code.startsWith('SQLITE_IOERR')) {
    return `the disk that holds ${dir} fails (${code}: ${message}): check that disk`;
  }
  return `the log in ${dir} failed: ${message}`;
}
