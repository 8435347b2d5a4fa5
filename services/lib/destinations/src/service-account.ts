import { createPrivateKey, createSign, type KeyObject } from 'node:crypto';

import { Secret } from '@trailpush/core';

import { invalidConf } from './conf.ts';

/** A service account of Google's, from the JSON file of its key. */
export interface ServiceAccount {
  readonly email: string;
  readonly keyId: string | undefined;
  readonly key: KeyObject;
  readonly secrets: readonly Secret[];
}

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write';
const LIFE_SECONDS = 3_600;
/** Google refuses what was issued in its future. */
const CLOCK_SLACK_SECONDS = 60;

/** @throws InvalidDestinationError */
export function parseServiceAccount(json: string): ServiceAccount {
  const fields = fieldsOf(json);
  const { client_email: email, private_key: pem, private_key_id: keyId } = fields;
  if (typeof email !== 'string' || typeof pem !== 'string') {
    throw invalidConf(
      'credentials must be the JSON key of a service account, with client_email and private_key',
    );
  }
  return {
    email,
    keyId: typeof keyId === 'string' ? keyId : undefined,
    key: keyOf(pem),
    secrets: [new Secret(pem)],
  };
}

/** @throws InvalidDestinationError when no `gs://` destination could use this key */
export function checkGoogleKey(key: Secret): void {
  parseServiceAccount(key.reveal());
}

function fieldsOf(json: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // An error of the parser quotes its text, which is a secret.
  }
  throw invalidConf('credentials must be the JSON key of a service account: it is no JSON object');
}

function keyOf(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'rsa') return key;
  } catch {
    // As above.
  }
  throw invalidConf('credentials: private_key is not an RSA key in PEM');
}

/**
 * A token that the account signs itself, which Google's APIs take in place of one that their token server
 * gave: nobody else is asked.
 * @see https://google.aip.dev/auth/4111
 */
export function signToken(account: ServiceAccount, nowMs: number): string {
  const issued = Math.floor(nowMs / 1_000) - CLOCK_SLACK_SECONDS;
  const header = { alg: 'RS256', typ: 'JWT', kid: account.keyId };
  const claims = {
    iss: account.email,
    sub: account.email,
    scope: SCOPE,
    iat: issued,
    exp: issued + LIFE_SECONDS,
  };
  const text = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${text}.${createSign('sha256').update(text).sign(account.key, 'base64url')}`;
}
