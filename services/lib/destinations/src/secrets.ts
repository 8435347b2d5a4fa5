import { REDACTED, Secret } from '@trailpush/core';

import { type Conf, invalidConf, splitConf } from './conf.ts';

/** Headers that are no credentials. */
const PLAIN_HEADERS: ReadonlySet<string> = new Set([
  'content-type',
  'accept',
  'user-agent',
  'x-sumo-category',
  'x-sumo-fields',
  'x-sumo-host',
  'x-sumo-name',
]);
/** Kinds that know their parameters, so that no others need to be guessed at. */
const SECRET_PARAMS: ReadonlyMap<string, readonly string[]> = new Map([
  ['s3', ['secret-access-key']],
  ['r2', ['secret-access-key']],
  ['splunk', []],
  ['datadog', []],
  ['sumo', []],
  ['azure', ['sig']],
  ['gs', ['credentials']],
]);
const SECRET_NAME = /key|token|secret|passw|pwd|sig|auth|cred|code|session|jwt|webhook/i;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** True when the value of this parameter must not be shown. */
export function isSecretParam(scheme: string, name: string, value: string): boolean {
  if (value === '') return false;
  if (name.startsWith('header_')) return !PLAIN_HEADERS.has(name.slice(7).toLowerCase());
  const known = SECRET_PARAMS.get(scheme);
  if (known !== undefined) return known.includes(name);
  return SECRET_NAME.test(name) || looksRandom(value);
}

/** True for a path segment of a URL that is a credential, as webhooks have them. */
export function isSecretSegment(scheme: string, segment: string): boolean {
  // sumo://host/receiver/v1/http/CODE
  if (scheme === 'sumo') return !['', 'receiver', 'v1', 'http'].includes(segment);
  return (scheme === 'https' || scheme === 'http') && looksRandom(segment);
}

/** Tokens: UUIDs, and 20 characters or more of letters and digits mixed without a break. */
function looksRandom(text: string): boolean {
  if (UUID.test(text)) return true;
  return text
    .split(/[^A-Za-z0-9+/=]/)
    .some((run) => run.length >= 20 && /[A-Za-z]/.test(run) && /\d/.test(run));
}

/**
 * The conf with `REDACTED` in place of every secret value, all else as it was written. A text that
 * cannot be taken apart is `REDACTED` as a whole.
 */
export function redactConf(text: string): string {
  let conf: Conf;
  try {
    conf = splitConf(text);
  } catch {
    return REDACTED;
  }
  const scheme = text.slice(0, text.indexOf(':'));
  const authority = conf.authority.replace(/^.*@/, `${REDACTED}@`);
  const query = conf.params.map(({ name, value, raw }) =>
    isSecretParam(conf.scheme, name, value) ? maskParam(raw) : raw,
  );
  return joinConf(`${scheme}://${authority}${redactPath(conf)}`, query);
}

function maskParam(raw: string): string {
  return `${raw.slice(0, raw.indexOf('='))}=${REDACTED}`;
}

function redactPath(conf: Conf): string {
  return conf.path
    .split('/')
    .map((segment) => (isSecretSegment(conf.scheme, segment) ? REDACTED : segment))
    .join('/');
}

/** Every secret value, also as a receiver may quote it: the token without `Bearer`, the password of `Basic`. */
export function secretsOf(conf: Conf): Secret[] {
  const values = conf.params
    .filter(({ name, value }) => isSecretParam(conf.scheme, name, value))
    .map(({ value }) => value);
  const segments = conf.path.split('/').filter((part) => isSecretSegment(conf.scheme, part));
  const all = new Set([...values, ...segments]);
  for (const value of values) {
    const [, scheme = '', token] = /^(\S+) +(.+)$/.exec(value) ?? [];
    if (token === undefined) continue;
    all.add(token);
    if (scheme.toLowerCase() !== 'basic') continue;
    const userAndPassword = Buffer.from(token, 'base64').toString();
    all.add(userAndPassword);
    all.add(userAndPassword.slice(userAndPassword.indexOf(':') + 1));
  }
  all.delete('');
  return [...all].map((value) => new Secret(value));
}

/** @throws InvalidDestinationError when the conf holds the mask of a secret in place of the secret. */
export function refuseMasks(conf: Conf): void {
  const masked = conf.params.find(({ value }) => value === REDACTED);
  if (masked !== undefined || conf.path.split('/').includes(REDACTED)) {
    throw invalidConf(
      `${masked?.name ?? 'a segment of the path'} is ${REDACTED}, which stands for a stored secret: send the secret itself`,
    );
  }
}

/**
 * Puts the stored secrets back where `newConf` has `REDACTED`, which means "unchanged". Only while
 * scheme, host, port, bucket, account and endpoint are the stored ones: else whoever may edit a job
 * could have its secret sent to a host of their own.
 * @throws InvalidDestinationError
 */
export function restoreConf(newConf: string, storedConf: string): string {
  const conf = splitConf(newConf);
  const pathIsMasked = conf.path.split('/').includes(REDACTED);
  if (!pathIsMasked && conf.params.every(({ value }) => value !== REDACTED)) return newConf;
  const stored = splitConf(storedConf);
  if (identityOf(conf) !== identityOf(stored)) {
    throw invalidConf(
      `a ${REDACTED} secret can only be kept while scheme, host, port, bucket, account-id and endpoint stay the same: send the secret itself`,
    );
  }
  if (pathIsMasked && conf.path !== redactPath(stored)) {
    throw invalidConf(`the path changed around a ${REDACTED} segment: send the segment itself`);
  }
  const query = conf.params.map(({ name, value, raw }) => {
    if (value !== REDACTED) return raw;
    const kept = stored.params.find((param) => param.name === name);
    if (kept === undefined) {
      throw invalidConf(
        `${name} is ${REDACTED}, but the job has none stored: send the secret itself`,
      );
    }
    return kept.raw;
  });
  const path = pathIsMasked ? stored.path : conf.path;
  return joinConf(`${conf.scheme}://${conf.authority}${path}`, query);
}

function joinConf(address: string, query: readonly string[]): string {
  return query.length === 0 ? address : `${address}?${query.join('&')}`;
}

/** Everything of a conf that decides who receives the secrets. */
function identityOf(conf: Conf): string {
  const places = conf.params
    .filter(({ name }) => name === 'endpoint' || name === 'account-id')
    .map(({ name, value }) => `${name}=${value.toLowerCase()}`)
    .sort();
  const container =
    conf.scheme === 'azure'
      ? conf.path.split('/').slice(1, 1 + containerDepth(conf.authority))
      : [];
  return JSON.stringify([conf.scheme, conf.authority.toLowerCase(), container, places]);
}

/** How many segments of the path of `azure://` name the container: hosts that are addresses name no account. */
export function containerDepth(authority: string): number {
  return /^[\d.]+(?::\d+)?$|^\[/.test(authority) ? 2 : 1;
}
