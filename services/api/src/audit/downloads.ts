import { Readable } from 'node:stream';

import type { AuditHit, AuditPlace, AuditQuery, AuditStore, Clock, Tenant } from '@trailpush/core';

import { ApiError, CODE } from '../envelope.ts';

/** Each has `PAGES_AHEAD` calls of the store at a time, with a connection each, and the page that is sent. */
const MAX_DOWNLOADS = 4;
const MAX_OF_TENANT = 2;
/** Of one read of the store, so that others have their turn. Bytes are of texts; one event may be larger. */
const PAGE_EVENTS = 500;
const PAGE_BYTES = 1024 * 1024;
/** Pages being read, or read and waiting for the client: with the one that is sent some 5 MiB for a download. */
const PAGES_AHEAD = 2;
/** Of one look for where events lie. */
const LOCATED_EVENTS = 2000;
/** What a client is given at a time. */
const CHUNK_BYTES = 64 * 1024;
/** A client that takes no chunk for so long is gone, though its connection may not be. */
const STALL_MS = 60_000;
const LOOK_MS = 5000;

export type DownloadQuery = Omit<AuditQuery, 'limit' | 'after'>;

/** How events become text. */
export interface DownloadFormat {
  readonly header: string;
  /** The text of the events at these places. */
  readonly read: (
    store: AuditStore,
    query: DownloadQuery,
    places: readonly AuditPlace[],
  ) => Promise<string>;
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
      const pages = this.#pages(query, format);
      const first = await pages.next();
      const state: { waitingSinceMs: number | undefined } = { waitingSinceMs: undefined };
      const chunks = this.#chunks(format, pages, first, state);
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

  /** The next pages are read while this one is sent. */
  async *#chunks(
    { header }: DownloadFormat,
    pages: AsyncGenerator<string, void, void>,
    first: IteratorResult<string, void>,
    state: { waitingSinceMs: number | undefined },
  ): AsyncGenerator<Buffer, void, void> {
    let before = header;
    for (let page = first; before !== '' || page.done !== true; page = await pages.next()) {
      const bytes = Buffer.from(before + (page.value ?? ''));
      before = '';
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        state.waitingSinceMs = this.#clock.monotonic();
        yield bytes.subarray(at, at + CHUNK_BYTES);
        state.waitingSinceMs = undefined;
      }
      if (page.done === true) return;
    }
  }

  /** The texts of pages, read ahead. Whoever ends early waits for none of them. */
  async *#pages(
    query: DownloadQuery,
    { read }: DownloadFormat,
  ): AsyncGenerator<string, void, void> {
    const places = this.#places(query);
    const reading: Promise<string>[] = [];
    const readAhead = async (): Promise<void> => {
      while (reading.length < PAGES_AHEAD) {
        const next = await places.next();
        if (next.done === true) return;
        const page = read(this.#audit, query, next.value);
        // It is awaited below, or no longer of interest.
        page.catch(() => undefined);
        reading.push(page);
      }
    };
    await readAhead();
    for (let page = reading.shift(); page !== undefined; page = reading.shift()) {
      const text = await page;
      await readAhead();
      yield text;
    }
  }

  /** Where the events of each page lie. */
  async *#places(query: DownloadQuery): AsyncGenerator<readonly AuditHit[], void, void> {
    let after: AuditPlace | undefined;
    for (;;) {
      const hits = await this.#audit.locate({
        ...query,
        limit: LOCATED_EVENTS,
        ...(after && { after }),
      });
      yield* pagesOf(hits);
      after = hits.at(-1);
      if (hits.length < LOCATED_EVENTS) return;
    }
  }
}

function* pagesOf(hits: readonly AuditHit[]): Generator<readonly AuditHit[], void, void> {
  let page: AuditHit[] = [];
  let bytes = 0;
  for (const hit of hits) {
    if (page.length === PAGE_EVENTS || (page.length > 0 && bytes + hit.bytes > PAGE_BYTES)) {
      yield page;
      page = [];
      bytes = 0;
    }
    page.push(hit);
    bytes += hit.bytes;
  }
  if (page.length > 0) yield page;
}

function tooMany(what: string): ApiError {
  const message = `${what}, and more are not allowed: try again when one has ended`;
  return new ApiError(429, [{ code: CODE.unavailable, message }]);
}
