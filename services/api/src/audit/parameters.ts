import { ApiError, CODE } from '../envelope.ts';

/** Longer request lines are nobody's query. */
const MAX_URL_CHARACTERS = 16_384;

/** 400 for one parameter of the query string. */
export function invalidParameter(name: string, message: string): ApiError {
  const text = `query parameter '${name.slice(0, 64)}' ${message}`;
  return new ApiError(400, [{ code: CODE.invalid, message: text }]);
}

/** The parameters of a query string, as they were sent. Names are repeated; a comma is data. */
export class Parameters {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  /** @throws ApiError 400 for a name that is not among `known`; 414 */
  constructor(url: string, known: ReadonlySet<string>) {
    if (url.length > MAX_URL_CHARACTERS) {
      const message = `the URL has ${url.length} characters, and may have ${MAX_URL_CHARACTERS}`;
      throw new ApiError(414, [{ code: CODE.invalid, message }]);
    }
    const values = new Map<string, string[]>();
    const start = url.indexOf('?');
    const text = start === -1 ? '' : url.slice(start + 1);
    for (const [name, value] of new URLSearchParams(text)) {
      if (!known.has(name)) throw invalidParameter(name, unknown(name, known));
      const given = values.get(name);
      if (given === undefined) values.set(name, [value]);
      else given.push(value);
    }
    this.#values = values;
  }

  /** All values of a name; none when it was not sent. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** The value of a name that may be sent once. @throws ApiError */
  one(name: string): string | undefined {
    const [value, ...more] = this.all(name);
    if (more.length > 0) throw invalidParameter(name, 'is given more than once');
    return value;
  }

  /** @throws ApiError */
  required(name: string): string {
    const value = this.one(name);
    if (value === undefined || value === '') throw invalidParameter(name, 'is required');
    return value;
  }

  /** A whole number within bounds. @throws ApiError */
  wholeNumber(name: string, { min, max, otherwise }: Bounds): number {
    const text = this.one(name);
    if (text === undefined) return otherwise;
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw invalidParameter(name, `must be a whole number from ${min} to ${max}`);
  }

  /** One of a few words. @throws ApiError */
  word<Word extends string>(name: string, words: readonly Word[], otherwise: Word): Word {
    const text = this.one(name);
    if (text === undefined) return otherwise;
    const word = words.find((each) => each === text);
    if (word !== undefined) return word;
    throw invalidParameter(name, `must be one of ${words.join(', ')}`);
  }
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly otherwise: number;
}

function unknown(name: string, known: ReadonlySet<string>): string {
  const plain = name.replace(/\[not\]$/, '.not').replace(/\[\d*\]$/, '');
  const hint = known.has(plain) ? `: write ${plain}, once for each value` : '';
  return `is not known here${hint}`;
}
