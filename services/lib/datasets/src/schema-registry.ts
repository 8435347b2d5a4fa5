import { ConfigError, LogClosedError, type Clock, type Logger, type Secret } from '@trailpush/core';
import type { AvroSchema } from './event-schema.ts';
import { RegistryClient, RegistryTroubleError, type RegistryAnswer } from './registry-client.ts';

export interface SchemaRegistryOptions {
  /** `http://` or `https://`, with `user:password@` where the registry asks for it. */
  readonly url: Secret;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1); spreads retries. */
  readonly random?: () => number;
}

/** A schema as the registry gave it; one object for as long as it is cached. */
export interface RegisteredSchema {
  readonly id: number;
  /** AVRO, JSON, PROTOBUF. */
  readonly schemaType: string;
  /** The document, in the language of its type. */
  readonly text: string;
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 30_000;
/** Ids in memory. Far above what a topic of one event type ever has; the oldest makes room. */
const MAX_CACHED = 1000;
/** Confluent's code for an id that is not there. Any other 404 comes from a wrong URL or a proxy. */
const SCHEMA_NOT_FOUND = 40403;
/** A registry that follows another may not have heard of a new id yet, so one answer is not enough. */
const ABSENT_ANSWERS = 3;
const ABSENT_RECHECK_MS = 1000;
/** After this an absent id is asked for again: the registry itself may have been repaired. */
const ABSENT_KEPT_MS = 60_000;

/**
 * Client of a schema registry with Confluent's API. While the registry cannot be asked, calls wait and
 * try again for as long as it takes: no record may be given up because of that.
 */
export class SchemaRegistry {
  readonly #client: RegistryClient;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #random: () => number;
  readonly #closing = new AbortController();
  readonly #found = new Map<number, RegisteredSchema>();
  /** Until when (monotonic) an id is taken for absent. */
  readonly #absent = new Map<number, number>();
  readonly #fetches = new Map<number, Promise<void>>();
  #trouble: string | undefined;

  /** @throws ConfigError */
  constructor({ url, clock, logger, random = Math.random }: SchemaRegistryOptions) {
    this.#client = new RegistryClient(url, clock, this.#closing.signal);
    this.#clock = clock;
    this.#logger = logger;
    this.#random = random;
  }

  /**
   * Registers a schema under a subject, or finds it there, and gives its id.
   * @throws ConfigError when the registry answers that it will not.
   */
  async register(subject: string, schema: AvroSchema): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`;
    const body = { schema: JSON.stringify(schema) };
    return this.#untilAnswered(async () => {
      const answer = await this.#client.request('POST', path, body);
      const id = answer.json['id'];
      if (answer.status === 200 && isSchemaId(id)) return id;
      if (isRefusal(answer.status)) {
        throw new ConfigError(
          `the schema registry at ${this.#client.shownUrl} refuses the schema of subject ${subject}: ` +
            `${answer.text}; correct SCHEMA_REGISTRY_URL, or the permissions or compatibility there`,
        );
      }
      throw unexpected(answer);
    });
  }

  /** What is known of an id without asking; undefined: `fetch` it. */
  peek(id: number): RegisteredSchema | 'absent' | undefined {
    const found = this.#found.get(id);
    if (found) return found;
    const absentUntil = this.#absent.get(id);
    return absentUntil !== undefined && this.#clock.monotonic() < absentUntil
      ? 'absent'
      : undefined;
  }

  /** Resolves when `peek` knows the id. @throws LogClosedError after `close` */
  fetch(id: number): Promise<void> {
    let fetching = this.#fetches.get(id);
    if (!fetching) {
      fetching = this.#fetch(id).finally(() => this.#fetches.delete(id));
      this.#fetches.set(id, fetching);
    }
    return fetching;
  }

  /** Undefined while the registry answers, else one sentence for `/readyz`. */
  health(): string | undefined {
    return this.#trouble;
  }

  close(): void {
    this.#closing.abort(new LogClosedError('the schema registry client was closed'));
  }

  async #fetch(id: number): Promise<void> {
    for (let absences = 0; absences < ABSENT_ANSWERS; absences++) {
      if (absences > 0) await this.#clock.sleep(ABSENT_RECHECK_MS, this.#closing.signal);
      const found = await this.#untilAnswered(() => this.#ask(id));
      if (found) {
        remember(this.#found, id, found);
        return;
      }
    }
    remember(this.#absent, id, this.#clock.monotonic() + ABSENT_KEPT_MS);
  }

  async #ask(id: number): Promise<RegisteredSchema | undefined> {
    const answer = await this.#client.request('GET', `/schemas/ids/${id}`);
    const { schema: text, schemaType = 'AVRO', error_code: code } = answer.json;
    if (answer.status === 200 && typeof text === 'string' && typeof schemaType === 'string') {
      return { id, schemaType, text };
    }
    if (answer.status === 404 && code === SCHEMA_NOT_FOUND) return undefined;
    throw unexpected(answer);
  }

  async #untilAnswered<T>(attempt: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        const result = await attempt();
        this.#trouble = undefined;
        return result;
      } catch (error) {
        if (!(error instanceof RegistryTroubleError)) throw error;
        const registry = this.#client.shownUrl;
        this.#trouble = `the schema registry at ${registry} cannot be asked: ${error.message}`;
        this.#logger.warn(
          { registry, failures: failures + 1, error: error.message },
          'schema registry cannot be asked, trying again',
        );
      }
      // 2^10 times the first wait is above the longest already.
      const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 10));
      await this.#clock.sleep(longest * (0.5 + this.#random() / 2), this.#closing.signal);
    }
  }
}

function unexpected(answer: RegistryAnswer): RegistryTroubleError {
  return new RegistryTroubleError(`unexpected answer: ${answer.text}`);
}

function isSchemaId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 0x7fffffff;
}

function remember<T>(cache: Map<number, T>, id: number, value: T): void {
  cache.delete(id);
  for (const oldest of cache.keys()) {
    if (cache.size < MAX_CACHED) break;
    cache.delete(oldest);
  }
  cache.set(id, value);
}

/** Asking again would not help: a person must act. 408 and 429 only ask for time. */
function isRefusal(status: number): boolean {
  return status >= 300 && status < 500 && status !== 408 && status !== 429;
}
