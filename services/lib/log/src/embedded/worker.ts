import { flushCompileCache } from 'node:module';
import { parentPort } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { ChunkStore } from './chunk-store.ts';
import type { Failure, OperationName, Operations, Reply, Request } from './protocol.ts';

/** The thread that holds the log's file: SQLite is synchronous, and syncing takes its time. */

const port = parentPort;
if (port === null) throw new Error('worker.ts runs in a worker thread only');

let store: ChunkStore | undefined;

function opened(): ChunkStore {
  if (store === undefined) throw new Error('the file of the log is not open');
  return store;
}

const operations: {
  [Name in OperationName]: (request: Operations[Name]['request']) => Operations[Name]['reply'];
} = {
  open: (request) => {
    store = new ChunkStore(request);
    return { bounds: store.bounds(), lastTimestampMs: store.lastTimestampMs() };
  },
  append: (request) => opened().append(request),
  read: (request) => opened().read(request),
  removeOld: (request) => opened().removeOld(request),
  commit: (request) => opened().commit(request),
  probe: () => opened().probe(),
  close: () => {
    store?.close();
    store = undefined;
    return undefined;
  },
};

function perform<Name extends OperationName>({ id, name, request }: Request<Name>): Reply {
  try {
    return { id, reply: operations[name](request) };
  } catch (error) {
    return { id, failure: describe(error) };
  }
}

function describe(error: unknown): Failure {
  const code = error instanceof Database.SqliteError ? error.code : undefined;
  return { code, message: error instanceof Error ? error.message : String(error) };
}

// Now, since a process that is killed does not write it at its end.
flushCompileCache();

port.on('message', (request: Request) => {
  const reply = perform(request);
  port.postMessage(reply, memoryOf(reply));
});

/** Memory that can be moved instead of copied. */
function memoryOf(reply: Reply): ArrayBuffer[] {
  if (!('reply' in reply) || typeof reply.reply !== 'object' || reply.reply === null) return [];
  const { data } = reply.reply as { data?: Uint8Array<ArrayBuffer> };
  return data === undefined ? [] : [data.buffer];
}
