import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, messageOf, TrailpushError } from '@trailpush/core';
import { secretsInDataFolder, type Config } from '@trailpush/runtime';
import { ADDRESS_FILE } from './services.ts';

/** What the API answered, when that was no success. */
export class RefusedError extends TrailpushError {}

interface Envelope {
  readonly success: boolean;
  readonly errors: readonly { readonly message: string }[];
  readonly messages: readonly { readonly message: string }[];
  readonly result: unknown;
}

const ANSWER_WITHIN_MS = 60_000;

/** The API of a running program, with the operator's token. */
export class ApiClient {
  readonly #url: string;
  readonly #authorization: string;

  private constructor(url: string, authorization: string) {
    this.#url = url;
    this.#authorization = authorization;
  }

  /** `url` is where to find it when it is not the program of the data folder, nor on this machine. */
  static async find(config: Config, url: string | undefined): Promise<ApiClient> {
    const addressFile = join(config.dataFolder, ADDRESS_FILE);
    const own = existsSync(addressFile) ? readFileSync(addressFile, 'utf8').trim() : undefined;
    const base = url ?? own ?? `http://127.0.0.1:${config.port}`;
    const { adminToken } = await secretsInDataFolder(config.dataFolder, config);
    return new ApiClient(base.replace(/\/+$/, ''), `Bearer ${adminToken.reveal()}`);
  }

  /** The result, and what else the API says. `path` begins with `/client/v4` or `/admin/v1`. @throws RefusedError, ConfigError when nobody answers */
  async call(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<{ result: unknown; notices: readonly string[] }> {
    const answer = await this.#send(method, path, body);
    const { success, errors, messages, result } = answer;
    if (!success) throw new RefusedError(errors.map(({ message }) => message).join('; '));
    return { result, notices: messages.map(({ message }) => message) };
  }

  /** The body of an answer that is no envelope, as it comes. @throws RefusedError, ConfigError as above */
  async stream(path: string): Promise<AsyncIterable<Uint8Array>> {
    const answer = await this.#fetch(path, { method: 'GET' }).catch((error: unknown) => {
      throw this.#noAnswer(error);
    });
    if (answer.ok && answer.body !== null) return answer.body;
    const { errors } = (await answer.json()) as Envelope;
    throw new RefusedError(errors.map(({ message }) => message).join('; '));
  }

  async #send(method: string, path: string, body: object | undefined): Promise<Envelope> {
    try {
      const answer = await this.#fetch(path, {
        method,
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      return (await answer.json()) as Envelope;
    } catch (error) {
      throw this.#noAnswer(error);
    }
  }

  #fetch(path: string, init: RequestInit): Promise<Response> {
    const type = init.body === undefined ? {} : { 'content-type': 'application/json' };
    const headers = { authorization: this.#authorization, ...type };
    return fetch(`${this.#url}${path}`, { ...init, headers });
  }

  #noAnswer(error: unknown): ConfigError {
    return new ConfigError(
      `no trailpush API answers at ${this.#url} (${messageOf(error)}): start it, or say where it is with --url`,
    );
  }
}
