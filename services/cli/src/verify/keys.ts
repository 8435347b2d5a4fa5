import { readFileSync } from 'node:fs';
import { ConfigError, messageOf } from '@trailpush/core';
import {
  keyIdOf,
  readPublicKey,
  type VerifyingKey,
  type VerifyingKeys,
} from '@trailpush/destinations';

const ANSWER_WITHIN_MS = 30_000;
const MAX_KEYS_BYTES = 1024 * 1024;
const PEM = /-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g;

/** Keys of a file: PEM, one or several, or what `/digest-keys.json` answers. @throws ConfigError */
export function readKeyFile(file: string): VerifyingKeys {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`--public-key ${file} cannot be read (${messageOf(error)})`);
  }
  return parseKeys(text, `--public-key ${file}`);
}

/** Keys of a running program; `url` is its address, or that of the document itself. @throws ConfigError */
export async function fetchKeys(url: string): Promise<VerifyingKeys> {
  const address = url.endsWith('.json') ? url : `${url.replace(/\/+$/, '')}/digest-keys.json`;
  let text: string;
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const answer = await fetch(address, { signal });
    if (!answer.ok) throw new Error(`the answer has status ${answer.status}`);
    text = (await answer.text()).slice(0, MAX_KEYS_BYTES);
  } catch (error) {
    throw new ConfigError(
      `no public keys can be had at ${address} (${messageOf(error)}): start trailpush api there, or name a file with --public-key`,
    );
  }
  return parseKeys(text, address);
}

function parseKeys(text: string, what: string): VerifyingKeys {
  try {
    const pems = text.match(PEM);
    const keys: VerifyingKey[] = pems
      ? pems.map((pem) => ({ key: readPublicKey(pem), retiredAtMs: null }))
      : parseJson(text).keys.map((jwk) => ({
          key: readPublicKey(jwk),
          retiredAtMs: typeof jwk['retired_at'] === 'string' ? Date.parse(jwk['retired_at']) : null,
        }));
    if (keys.length === 0) throw new Error('there is none');
    return new Map(keys.map((each) => [keyIdOf(each.key), each]));
  } catch (error) {
    throw new ConfigError(
      `${what} must hold public keys, in PEM or as trailpush serves them at /digest-keys.json, but: ${messageOf(error)}`,
    );
  }
}

function parseJson(text: string): { readonly keys: readonly Record<string, unknown>[] } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The words of JSON.parse would quote the text, line breaks included.
    throw new Error('it is neither');
  }
  if (typeof parsed !== 'object' || parsed === null || !('keys' in parsed)) {
    throw new Error('it has no member "keys"');
  }
  const { keys } = parsed;
  if (!Array.isArray(keys)) throw new Error('its "keys" is no list');
  return { keys: keys as Record<string, unknown>[] };
}
