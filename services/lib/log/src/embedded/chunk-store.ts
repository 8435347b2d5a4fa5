import type Database from 'better-sqlite3';
import type { PartitionBounds } from '@trailpush/core';
import type { ChunkHeader } from './framing.ts';
import type { Operations } from './protocol.ts';
import { openDatabase } from './schema.ts';

/** Bounds of one retention step, so that appends and reads never wait long behind it. */
const REMOVE_CHUNKS = 64;
const REMOVE_BYTES = 16 * 1024 * 1024;
const VACUUM_BYTES = 8 * 1024 * 1024;
/** Free space that the file keeps: a log at its size limit would else shrink and grow all the time. */
const KEPT_FREE_BYTES = 16 * 1024 * 1024;

interface ChunkRow extends ChunkHeader {
  readonly id: number;
  readonly partition: number;
}

/** The chunks of all partitions in one SQLite file. Synchronous: it lives in a thread of its own. */
export class ChunkStore {
  readonly #db: Database.Database;
  readonly #bounds: PartitionBounds[];
  readonly #insertChunk;
  readonly #moveEnd;
  readonly #selectFrom;
  readonly #selectOldest;
  readonly #deleteChunk;
  readonly #upsertPosition;

  constructor({ path, partitions }: Operations['open']['request']) {
    this.#db = openDatabase(path, partitions);
    this.#bounds = this.#db
      .prepare<[], PartitionBounds>(
        `SELECT partition, coalesce((SELECT min(base_offset) FROM chunks
           WHERE chunks.partition = partitions.partition), end_offset) AS start, end_offset AS "end"
         FROM partitions ORDER BY partition`,
      )
      .all();
    this.#insertChunk = this.#db.prepare<[number, number, number, number, Uint8Array]>(
      `INSERT INTO chunks (partition, base_offset, records, timestamp_ms, data) VALUES (?, ?, ?, ?, ?)`,
    );
    this.#moveEnd = this.#db.prepare<[number, number, number]>(
      'UPDATE partitions SET end_offset = ?, timestamp_ms = ? WHERE partition = ?',
    );
    this.#selectFrom = this.#db.prepare<[number, number, number], ChunkRow & { data: Buffer }>(
      `SELECT base_offset AS baseOffset, records, timestamp_ms AS timestampMs, data FROM chunks
       WHERE partition = ? AND base_offset >=
         (SELECT max(base_offset) FROM chunks WHERE partition = ? AND base_offset <= ?)
       ORDER BY base_offset`,
    );
    this.#selectOldest = this.#db.prepare<[number], ChunkRow>(
      `SELECT id, partition, base_offset AS baseOffset, records, timestamp_ms AS timestampMs,
         length(data) AS bytes FROM chunks ORDER BY id LIMIT ?`,
    );
    this.#deleteChunk = this.#db.prepare<[number]>('DELETE FROM chunks WHERE id = ?');
    this.#upsertPosition = this.#db.prepare<[string, number, number]>(
      `INSERT INTO positions (group_id, partition, next_offset) VALUES (?, ?, ?)
       ON CONFLICT (group_id, partition) DO UPDATE SET next_offset = excluded.next_offset`,
    );
  }

  bounds(): readonly PartitionBounds[] {
    return this.#bounds;
  }

  lastTimestampMs(): number {
    const last = this.#db.prepare<[], number>('SELECT max(timestamp_ms) FROM partitions').pluck();
    return last.get() ?? 0;
  }

  append({ timestampMs, chunks }: Operations['append']['request']): readonly PartitionBounds[] {
    const ends = this.#bounds.map(({ end }) => end);
    this.#db.transaction(() => {
      for (const { partition, records, data } of chunks) {
        const baseOffset = ends[partition] ?? 0;
        const end = baseOffset + records;
        this.#insertChunk.run(partition, baseOffset, records, timestampMs, data);
        this.#moveEnd.run(end, timestampMs, partition);
        ends[partition] = end;
      }
    })();
    // Only now: a transaction that failed leaves the ends where they were.
    for (const [partition, end] of ends.entries()) this.#move(partition, { end });
    return this.#bounds;
  }

  read({
    partition,
    offset,
    maxBytes,
  }: Operations['read']['request']): Operations['read']['reply'] {
    const headers: ChunkHeader[] = [];
    const blobs: Buffer[] = [];
    let bytes = 0;
    for (const row of this.#selectFrom.iterate(partition, partition, offset)) {
      const { baseOffset, records, timestampMs, data } = row;
      headers.push({ baseOffset, records, timestampMs, bytes: data.byteLength });
      blobs.push(data);
      bytes += data.byteLength;
      if (bytes >= maxBytes) break;
    }
    // One block of memory for many small chunks: moving each of them to the other thread is slow.
    const data = Buffer.allocUnsafeSlow(bytes);
    let at = 0;
    for (const blob of blobs) {
      data.set(blob, at);
      at += blob.byteLength;
      giveBack(blob);
    }
    return { headers, data };
  }

  removeOld(limits: Operations['removeOld']['request']): Operations['removeOld']['reply'] {
    const doomed = this.#chooseDoomed(limits);
    this.#db.transaction(() => {
      for (const { id } of doomed.chunks) this.#deleteChunk.run(id);
    })();
    for (const { partition, baseOffset, records } of doomed.chunks) {
      this.#move(partition, { start: baseOffset + records });
    }
    const records = doomed.chunks.reduce((sum, chunk) => sum + chunk.records, 0);
    const more = doomed.more || this.#giveBackSpace();
    return { bounds: this.#bounds, removed: { records, bytes: doomed.bytes }, more };
  }

  commit({ groupId, offsets }: Operations['commit']['request']): undefined {
    this.#db.transaction(() => {
      for (const [partition, offset] of offsets)
        this.#upsertPosition.run(groupId, partition, offset);
    })();
  }

  probe(): undefined {
    this.#db.prepare('UPDATE partitions SET end_offset = end_offset').run();
  }

  close(): undefined {
    this.#db.close();
  }

  /** The oldest chunks that are too old, or too many bytes; as many as one step may remove. */
  #chooseDoomed({ beforeMs, maxBytes }: Operations['removeOld']['request']) {
    const chunks: ChunkRow[] = [];
    let bytes = 0;
    const excess = this.#usedBytes() - maxBytes;
    for (const chunk of this.#selectOldest.all(REMOVE_CHUNKS)) {
      // Chunks were stored in the order of their ids, with times that never run backwards.
      if (chunk.timestampMs >= beforeMs && bytes >= excess) return { chunks, bytes, more: false };
      if (bytes >= REMOVE_BYTES) return { chunks, bytes, more: true };
      chunks.push(chunk);
      bytes += chunk.bytes;
    }
    return { chunks, bytes, more: chunks.length === REMOVE_CHUNKS };
  }

  /** Returns free pages to the file system, one step of it. True when there is more to return. */
  #giveBackSpace(): boolean {
    const spare = this.#pragma('freelist_count') * this.#pragma('page_size') - KEPT_FREE_BYTES;
    if (spare <= 0) return false;
    const step = Math.ceil(Math.min(spare, VACUUM_BYTES) / this.#pragma('page_size'));
    this.#db.pragma(`incremental_vacuum(${step})`);
    if (spare > VACUUM_BYTES) return true;
    // The file itself shrinks at a checkpoint.
    this.#db.pragma('wal_checkpoint(TRUNCATE)');
    return false;
  }

  #usedBytes(): number {
    const pages = this.#pragma('page_count') - this.#pragma('freelist_count');
    return pages * this.#pragma('page_size');
  }

  #pragma(name: 'page_count' | 'freelist_count' | 'page_size'): number {
    return this.#db.pragma(name, { simple: true }) as number;
  }

  #move(partition: number, to: Partial<Pick<PartitionBounds, 'start' | 'end'>>): void {
    const bounds = this.#bounds[partition];
    if (bounds !== undefined) this.#bounds[partition] = { ...bounds, ...to };
  }
}

/** Frees what SQLite gave at once: the collector of this quiet thread comes 50 MB later. */
function giveBack(blob: Buffer): void {
  if (blob.byteLength === blob.buffer.byteLength) (blob.buffer as ArrayBuffer).transfer(0);
}
