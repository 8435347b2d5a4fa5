import { InvalidDestinationError, messageOf } from '@trailpush/core';

/** One `name=value` of a destination_conf, as written and decoded. */
export interface ConfParam {
  readonly name: string;
  readonly value: string;
  /** `name=value` as it was written. */
  readonly raw: string;
}

/** A destination_conf taken apart, nothing of it judged yet: `<scheme>://<authority><path>?<params>`. */
export interface Conf {
  /** In lower case. */
  readonly scheme: string;
  /** As written, up to the first slash or question mark. */
  readonly authority: string;
  /** As written: empty, or beginning with a slash. */
  readonly path: string;
  readonly params: readonly ConfParam[];
}

export const MAX_CONF_CHARS = 4096;

/** What Logpush allows. */
const BASE_CHARACTERS = String.raw`a-zA-Z0-9\.,_:/?%+&=\{\}`;
/** URLs and file names use more of them in earnest: IPv6 literals, `~user`, `(1)`. */
const URL_CHARACTERS = String.raw`${BASE_CHARACTERS}~!*'();@$\[\]`;

const CHARACTERS: ReadonlyMap<string, string> = new Map([
  ['https', URL_CHARACTERS],
  ['http', URL_CHARACTERS],
  ['file', URL_CHARACTERS],
]);

/** An error in Cloudflare's wording. `problem` must not hold a secret. */
export function invalidConf(problem: string): InvalidDestinationError {
  return new InvalidDestinationError(`invalid destination_conf: ${problem}`);
}

/**
 * Takes a destination_conf apart. Names and values of parameters are percent-decoded once; a plus is a
 * plus, because secret keys and base64 hold one and a space is written `%20`.
 * @throws InvalidDestinationError
 */
export function splitConf(text: string): Conf {
  if (text.length > MAX_CONF_CHARS) {
    throw invalidConf(`it has ${text.length} characters, more than the ${MAX_CONF_CHARS} allowed`);
  }
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\/([^/?]*)([^?]*)(?:\?(.*))?$/s.exec(text);
  if (match === null) {
    throw invalidConf('it must have the form <scheme>://<address>[?params]');
  }
  const [, schemeAsWritten = '', authority = '', path = '', query = ''] = match;
  const scheme = schemeAsWritten.toLowerCase();
  const pattern = `^[${CHARACTERS.get(scheme) ?? BASE_CHARACTERS}-]+$`;
  if (!new RegExp(pattern).test(text)) {
    throw invalidConf(
      `config string must match "${pattern}"; write other characters percent-encoded, a space as %20`,
    );
  }
  return { scheme, authority, path, params: splitParams(query) };
}

function splitParams(query: string): ConfParam[] {
  const params: ConfParam[] = [];
  for (const raw of query.split('&')) {
    if (raw === '') continue;
    const equals = raw.indexOf('=');
    const rawName = equals === -1 ? raw : raw.slice(0, equals);
    const name = percentDecode(rawName, 'the name of a parameter');
    const value = percentDecode(equals === -1 ? '' : raw.slice(equals + 1), name);
    params.push({ name, value, raw });
  }
  return params;
}

/**
 * Decodes `%XX` once, as UTF-8.
 * @throws InvalidDestinationError naming `what`, never the text itself.
 */
export function percentDecode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw invalidConf(`${what} is not valid percent-encoding of UTF-8 (${messageOf(error)})`);
  }
}

/**
 * The parameters of a kind that knows all of its parameters.
 * @throws InvalidDestinationError for one that is unknown, repeated, or the mask of a stored secret.
 */
export function knownParams(conf: Conf, known: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const { name, value } of conf.params) {
    if (!known.includes(name)) {
      const list = known.length === 0 ? 'it takes none' : `it takes ${known.join(', ')}`;
      throw invalidConf(`unknown parameter ${printable(name)} for ${conf.scheme}: ${list}`);
    }
    if (values.has(name)) throw invalidConf(`parameter ${name} is given twice`);
    values.set(name, value);
  }
  return values;
}

/** @throws InvalidDestinationError `<name> must be provided` */
export function requiredParam(params: ReadonlyMap<string, string>, name: string): string {
  const value = params.get(name);
  if (value === undefined || value === '') throw invalidConf(`${name} must be provided`);
  return value;
}

/** A piece of a conf for an error message: short, and on one line. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
  return clean.length > 80 ? `${clean.slice(0, 80)}...` : clean;
}
