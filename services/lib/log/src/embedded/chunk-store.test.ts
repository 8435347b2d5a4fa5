import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChunkStore } from './chunk-store.ts';

const MIB = 1024 * 1024;

describe('ChunkStore', () => {
  let dir = '';
  let store: ChunkStore;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'trailpush-chunks-'));
    store = new ChunkStore({ path: join(dir, 'log.db'), partitions: 2 });
  });
  afterEach(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });

  /** Chunks of two records each. */
  function fill(chunks: number, bytes: number, timestampMs: number): void {
    const data = Buffer.alloc(bytes);
    store.append({
      timestampMs,
      chunks: Array.from({ length: chunks }, () => ({ partition: 1, records: 2, data })),
    });
  }

  it('removes at most 64 chunks in one step, and says that there is more', () => {
    fill(100, 10, 5);
    fill(1, 10, 6);
    const old = { beforeMs: 6, maxBytes: 1024 * MIB };
    expect(store.removeOld(old)).toMatchObject({
      removed: { records: 128, bytes: 640 },
      more: true,
    });
    expect(store.bounds()[1]).toEqual({ partition: 1, start: 128, end: 202 });
    expect(store.removeOld(old)).toMatchObject({
      removed: { records: 72, bytes: 360 },
      more: false,
    });
    expect(store.bounds()[1]).toEqual({ partition: 1, start: 200, end: 202 });
    expect(store.removeOld(old)).toMatchObject({ removed: { records: 0, bytes: 0 }, more: false });
  });

  it('removes at most about 16 MiB in one step', () => {
    for (let i = 0; i < 12; i += 1) fill(1, 3 * MIB, 5);
    const { removed, more } = store.removeOld({ beforeMs: 6, maxBytes: 1024 * MIB });
    expect([removed.bytes / MIB, more]).toEqual([18, true]);
  });

  it('removes no more than brings the log below its size', () => {
    for (let i = 0; i < 12; i += 1) fill(1, MIB, 5);
    const { removed } = store.removeOld({ beforeMs: 0, maxBytes: 8 * MIB });
    expect(removed.bytes / MIB).toBe(5);
    expect(store.bounds()[1]).toEqual({ partition: 1, start: 10, end: 24 });
  });

  it('keeps its ends where they were when an append fails half-way', () => {
    fill(1, 10, 5);
    const good = { partition: 1, records: 1, data: Buffer.alloc(1) };
    const bad = { partition: 1, records: 1, data: null as unknown as Buffer<ArrayBuffer> };
    expect(() => store.append({ timestampMs: 6, chunks: [good, bad] })).toThrow(/NOT NULL/);
    expect(store.bounds()[1]).toEqual({ partition: 1, start: 0, end: 2 });
    store.append({ timestampMs: 6, chunks: [good] });
    expect(store.bounds()[1]).toEqual({ partition: 1, start: 0, end: 3 });
    const { headers } = store.read({ partition: 1, offset: 0, maxBytes: MIB });
    expect(headers.map(({ baseOffset }) => baseOffset)).toEqual([0, 2]);
  });
});
