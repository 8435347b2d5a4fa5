import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type LookupFunction, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import type { Logger } from '@trailpush/core';

import { parseAddress } from './address.ts';
import { type AddressRule, type NetworkTarget, ruleAllows } from './policy.ts';
import { TransportError } from './transport-error.ts';

/** All addresses of a name. Rejects as `dns.lookup` does. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

/** The system's own resolver, so that hosts files and search domains count. */
const systemResolve: Resolve = (host) => systemLookup(host, { all: true });

/** Time limits of the phases of a connection. */
export interface ConnectionLimits {
  /** For name lookup and TCP together. */
  readonly connectMs: number;
  readonly tlsMs: number;
  /** Longest silence in both directions, during a request and between two. */
  readonly silenceMs: number;
}

const MAX_SOCKETS = 32;
const MAX_IDLE_SOCKETS = 4;

/**
 * A `lookup` for sockets that hands out checked addresses only. One forbidden answer forbids the name,
 * else a second connection attempt could be led to it. Nothing is cached, so nothing can go stale.
 */
export function guardedLookup(
  rule: AddressRule,
  logger: Logger,
  resolve: Resolve = systemResolve,
): LookupFunction {
  return (host, options, callback) => {
    resolveChecked(host, rule, logger, resolve).then(
      (answers) => {
        const wanted = answers.filter(({ family }) => !options.family || family === options.family);
        const [first] = wanted;
        if (first === undefined) {
          callback(new TransportError('no_address', `${host} has no address`), []);
        } else if (options.all === true) {
          callback(null, wanted);
        } else {
          callback(null, first.address, first.family);
        }
      },
      (error: unknown) => callback(error as Error, []),
    );
  };
}

async function resolveChecked(
  host: string,
  rule: AddressRule,
  logger: Logger,
  resolve: Resolve,
): Promise<LookupAddress[]> {
  const answers = await resolve(host);
  const blocked = answers.find(({ address }) => !isAllowed(rule, address));
  if (blocked !== undefined) {
    // The address itself goes to the operator's log only: it tells a tenant about the inner network.
    logger.warn({ host, address: blocked.address }, 'destination resolves to a forbidden address');
    throw blockedError(host, rule);
  }
  return [...answers];
}

function isAllowed(rule: AddressRule, text: string | undefined): boolean {
  const address = text === undefined ? undefined : parseAddress(text);
  return address !== undefined && ruleAllows(rule, address);
}

function blockedError(host: string, rule: AddressRule): TransportError {
  const problem = rule.privateOnly
    ? 'is outside the ranges of TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS'
    : 'is not public; an operator can allow it with TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS';
  return new TransportError('address_blocked', `the address of ${host} ${problem}`);
}

/**
 * An agent that only connects where `target.rule` allows: names through `guardedLookup`, literal
 * addresses (which Node does not look up) before connecting, and the peer's address once more after.
 * It knows no proxies. Each destination has its own, so that sessions of two jobs never mix.
 */
export function createGuardedAgent(
  target: NetworkTarget,
  limits: ConnectionLimits,
  logger: Logger,
): HttpAgent | HttpsAgent {
  const { rule } = target;
  const options = {
    keepAlive: true,
    maxSockets: MAX_SOCKETS,
    maxFreeSockets: MAX_IDLE_SOCKETS,
    timeout: limits.silenceMs,
    lookup: guardedLookup(rule, logger),
  };
  const secure = target.url.protocol === 'https:';
  const agent = secure
    ? new HttpsAgent({ ...options, minVersion: 'TLSv1.2', rejectUnauthorized: target.verified })
    : new HttpAgent(options);
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (request, callback) => {
    const host = request.host ?? '';
    if (isIP(host) !== 0 && !isAllowed(rule, host)) {
      callback?.(blockedError(host, rule), new Socket());
      return undefined;
    }
    const socket = connect(request, callback);
    watchSocket(socket, { host, secure, rule, limits });
    return socket;
  };
  return agent;
}

interface Watched {
  readonly host: string;
  readonly secure: boolean;
  readonly rule: AddressRule;
  readonly limits: ConnectionLimits;
}

function watchSocket(socket: Duplex | null | undefined, watched: Watched): void {
  if (!(socket instanceof Socket)) throw new TypeError('the agent made no socket');
  const { host, secure, rule, limits } = watched;
  let fault: 'connect_timeout' | 'tls_timeout' | 'stalled' = 'connect_timeout';
  // A socket's timeout is about silence: data that still leaves the send queue counts as progress.
  socket.setTimeout(limits.connectMs);
  socket.on('timeout', () => {
    const ms = socket.timeout ?? 0;
    socket.destroy(new TransportError(fault, `${host} ${TIMEOUT_WORDS[fault]} within ${ms} ms`));
  });
  socket.once('connect', () => {
    if (!isAllowed(rule, socket.remoteAddress)) socket.destroy(blockedError(host, rule));
    fault = secure ? 'tls_timeout' : 'stalled';
    socket.setTimeout(secure ? limits.tlsMs : limits.silenceMs);
  });
  socket.once('secureConnect', () => {
    fault = 'stalled';
    socket.setTimeout(limits.silenceMs);
  });
}

const TIMEOUT_WORDS = {
  connect_timeout: 'did not accept a connection',
  tls_timeout: 'did not finish the TLS handshake',
  stalled: 'neither took nor sent a byte',
} as const;
