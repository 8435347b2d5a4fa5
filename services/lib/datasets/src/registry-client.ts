import { ConfigError, messageOf, type Clock, type Secret } from '@trailpush/core';

/** The registry was not reached, or answered something that says nothing about our question. */
export class RegistryTroubleError extends Error {}

export interface RegistryAnswer {
  readonly status: number;
  /** The parsed body; empty when it was not a JSON object. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Status and message in words, short and printable. */
  readonly text: string;
}

const TIMEOUT_MS = 10_000;
/** The largest schemas in use have some 100 kB. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_SHOWN_CHARACTERS = 200;

/** One request to a schema registry at a time of need: a deadline, a bounded answer, no retries. */
export class RegistryClient {
  /** Safe to log and to show: without credentials. */
  readonly shownUrl: string;
  readonly #headers: Record<string, string>;
  readonly #clock: Clock;
  readonly #closing: AbortSignal;

  /** @throws ConfigError */
  constructor(url: Secret, clock: Clock, closing: AbortSignal) {
    const parsed = URL.parse(url.reveal());
    if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') {
      throw new ConfigError(
        'SCHEMA_REGISTRY_URL must be a URL such as https://user:password@registry.example:8081',
      );
    }
    const { username, password, origin, pathname } = parsed;
    this.shownUrl = `${origin}${pathname.replace(/\/+$/, '')}`;
    this.#headers = {
      accept: 'application/vnd.schemaregistry.v1+json, application/json',
      'content-type': 'application/vnd.schemaregistry.v1+json',
    };
    if (username !== '' || password !== '') {
      const credentials = `${decodePercent(username)}:${decodePercent(password)}`;
      const encoded = Buffer.from(credentials).toString('base64');
      this.#headers['authorization'] = `Basic ${encoded}`;
    }
    this.#clock = clock;
    this.#closing = closing;
  }

  /**
   * @throws RegistryTroubleError when no answer came.
   * @throws the reason of `closing`, once that aborts.
   */
  async request(method: 'GET' | 'POST', path: string, body?: object): Promise<RegistryAnswer> {
    const late = new AbortController();
    const answered = new AbortController();
    this.#clock.sleep(TIMEOUT_MS, answered.signal).then(
      () => late.abort(new RegistryTroubleError(`no answer within ${TIMEOUT_MS / 1000} s`)),
      () => undefined,
    );
    try {
      const response = await fetch(this.shownUrl + path, {
        method,
        headers: this.#headers,
        // Following one would turn a POST into a GET and could carry credentials elsewhere.
        redirect: 'manual',
        signal: AbortSignal.any([late.signal, this.#closing]),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return toAnswer(response, await readText(response));
    } catch (error) {
      this.#closing.throwIfAborted();
      throw error instanceof RegistryTroubleError
        ? error
        : new RegistryTroubleError(describe(error));
    } finally {
      answered.abort();
    }
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    size += bytes.length;
    if (size > MAX_ANSWER_BYTES) {
      throw new RegistryTroubleError(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function toAnswer({ status }: Response, body: string): RegistryAnswer {
  const json = parseObject(body);
  const message = json['message'];
  const detail = typeof message === 'string' ? message : body;
  const printable = detail.replace(/[^\p{L}\p{N}\p{P}\p{S}]+/gu, ' ').trim();
  return { status, json, text: `${status} ${printable.slice(0, MAX_SHOWN_CHARACTERS)}`.trim() };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** `fetch` hides what happened in its causes; refused connections to several addresses have no message. */
function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof AggregateError) return describe(cause.errors[0]);
  return messageOf(cause);
}

/** A password may have a bare percent sign, which is then no escape. */
function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
