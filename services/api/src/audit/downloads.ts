import { Readable } from 'node:stream';

import type { AuditEntry, AuditPage, AuditQuery, AuditStore, Clock, Tenant } from '@trailpush/core';

import { ApiError, CODE } from '../envelope.ts';

/** Each holds two pages at most, and one connection of the database while it reads. */
const MAX_DOWNLOADS = 4;
const MAX_OF_TENANT = 2;
/** Events of one look at the store: between two, no snapshot is held and others have their turn. */
const PAGE_EVENTS = 500;
/** What a client is given at a time. */
const CHUNK_BYTES = 64 * 1024;
/** A client that takes no chunk for so long is gone, though its connection may not be. */
const STALL_MS = 60_000;
const LOOK_MS = 5000;

export type DownloadQuery = Omit<AuditQuery, 'limit' | 'after'>;

/** How events become text. */
export interface DownloadFormat {
  readonly header: string;
  readonly lineOf: (entry: AuditEntry) => string;
}

/** Streams of everything that a query finds, read page by page as fast as the client takes it. */
export class Downloads {
  readonly #audit: AuditStore;
  readonly #clock: Clock;
  readonly #running = new Map<string, number>();

  constructor({ audit, clock }: { audit: AuditStore; clock: Clock }) {
    this.#audit = audit;
    this.#clock = clock;
  }

  /**
   * Resolves when the first page was read, so that what is wrong then is an answer. Later trouble destroys the
   * stream with an error.
   * @throws ApiError 429
   */
  async open(query: DownloadQuery, format: DownloadFormat): Promise<Readable> {
    const release = this.#take(query.tenant);
    try {
      const first = await this.#read(query);
      const state: { waitingSinceMs: number | undefined } = { waitingSinceMs: undefined };
      const chunks = this.#chunks(query, format, first, state);
      const stream = Readable.from(chunks, { objectMode: false, highWaterMark: CHUNK_BYTES });
      const stopWatch = this.#clock.every(LOOK_MS, () => {
        if (state.waitingSinceMs === undefined) return;
        if (this.#clock.monotonic() - state.waitingSinceMs < STALL_MS) return;
        stream.destroy(new Error(`the client took nothing for ${STALL_MS / 1000} s`));
      });
      stream.once('close', () => {
        stopWatch();
        release();
      });
      return stream;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** @throws ApiError 429 */
  #take({ kind, id }: Tenant): () => void {
    const name = `${kind} ${id}`;
    const count = this.#running.get(name) ?? 0;
    let all = 0;
    for (const of of this.#running.values()) all += of;
    if (count >= MAX_OF_TENANT) throw tooMany(`${count} downloads of this ${kind} are running`);
    if (all >= MAX_DOWNLOADS) throw tooMany(`${all} downloads are running here`);
    this.#running.set(name, count + 1);
    return () => {
      const left = (this.#running.get(name) ?? 1) - 1;
      if (left === 0) this.#running.delete(name);
      else this.#running.set(name, left);
    };
  }

  /** The next page is read while this one is sent. */
  async *#chunks(
    query: DownloadQuery,
    { header, lineOf }: DownloadFormat,
    first: AuditPage,
    state: { waitingSinceMs: number | undefined },
  ): AsyncGenerator<Buffer, void, void> {
    let page: AuditPage | undefined = first;
    let before = header;
    while (page !== undefined) {
      const { entries, next }: AuditPage = page;
      const reading: Promise<AuditPage> | undefined = next && this.#read(query, next);
      // It is awaited below, or no longer of interest.
      reading?.catch(() => undefined);
      const bytes = Buffer.from(before + entries.map(lineOf).join(''));
      before = '';
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        state.waitingSinceMs = this.#clock.monotonic();
        yield bytes.subarray(at, at + CHUNK_BYTES);
        state.waitingSinceMs = undefined;
      }
      page = await reading;
    }
  }

  #read(query: DownloadQuery, after?: AuditPage['next']): Promise<AuditPage> {
    return this.#audit.query({ ...query, limit: PAGE_EVENTS, ...(after && { after }) });
  }
}

function tooMany(what: string): ApiError {
  const message = `${what}, and more are not allowed: try again when one has ended`;
  return new ApiError(429, [{ code: CODE.unavailable, message }]);
}
