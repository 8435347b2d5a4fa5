/**
 * The only file that reaches into kafkajs. We take from it what is tedious and settled: sockets, TLS,
 * SASL, version negotiation and the matching of answers to requests. Its producer, consumer and
 * cluster are left alone, because they lose data in ways that cannot be switched off; see the heads of
 * `appender.ts`, `fetcher.ts` and `membership.ts`.
 */
import Broker from 'kafkajs/src/broker/index.js';
import loggers from 'kafkajs/src/loggers/index.js';
import ConnectionPool from 'kafkajs/src/network/connectionPool.js';
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import createSocketFactory from 'kafkajs/src/network/socketFactory.js';
import errors from 'kafkajs/src/protocol/error.js';

// Every kafkajs connection polls once a millisecond for requests that wait, also when none does. That
// costs an idle process a twentieth of a core, and the negative delay makes Node print a warning.
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own queue as `this`
const schedule = RequestQueue.prototype.scheduleCheckPendingRequests;
RequestQueue.prototype.scheduleCheckPendingRequests = function (): void {
  if (this.pending.length > 0) schedule.call(this);
};

export type { KafkajsConnection } from 'kafkajs/src/network/connectionPool.js';
export { Broker, ConnectionPool, createSocketFactory };
export const { createLogger } = loggers;
export const { errorCodes } = errors;
