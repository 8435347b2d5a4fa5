import { gzipSync } from 'node:zlib';
import { Restorer, type RestorerOptions } from '@trailpush/indexer';
import { MemoryAuditRetention } from '@trailpush/test/kit/memory-audit-retention.ts';
import { MemoryAuditStore } from '@trailpush/test/kit/memory-audit-store.ts';
import { beforeEach, describe, expect, it } from 'vitest';

let store: MemoryAuditStore;
let bad: string[];

beforeEach(() => {
  store = new MemoryAuditStore();
  bad = [];
});

function create(options: Partial<RestorerOptions> = {}): Restorer {
  return new Restorer({
    retention: new MemoryAuditRetention(store),
    keepUntilMs: 0,
    nowMs: Date.UTC(2026, 5),
    sinceMicros: 0,
    beforeMicros: Number.MAX_SAFE_INTEGER,
    isDryRun: false,
    onBad: (object, line, reason) => bad.push(`${object}:${line} ${reason}`),
    ...options,
  });
}

function lines(count: number, account = 'acme', day = '2026-05-21'): string {
  return Array.from({ length: count }, (_, index) => {
    const fields = { AuditLogID: `${account}-${index}`, AccountID: account };
    return `${JSON.stringify({ ...fields, ActionTimestamp: `${day}T00:00:00.123456Z` })}\n`;
  }).join('');
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function restore(restorer: Restorer, text: string | Buffer, size = 1000): Promise<void> {
  return restorer.restore('o.log.gz', pieces(Buffer.from(text), size));
}

describe('a restorer', () => {
  it.each([1, 7, 100_000])('stores packed and plain objects in pieces of %i', async (size) => {
    const restorer = create();
    await restore(restorer, gzipSync(lines(600)), size);
    await restore(restorer, lines(10, 'other'), size);
    await restore(restorer, '');
    expect(restorer).toMatchObject({ stored: 610, known: 0, bad: 0 });
    expect(store.entries).toHaveLength(610);
  });

  it('stores nothing twice when it is repeated', async () => {
    await restore(create(), gzipSync(lines(300)));
    const again = create();
    await restore(again, gzipSync(lines(301)));
    expect(again).toMatchObject({ stored: 1, known: 300 });
  });

  it('names bad lines by object and number, and stores the others', async () => {
    const restorer = create();
    const future = lines(1, 'f', '2026-07-21');
    await restore(restorer, `${lines(1)}no json\n\n{"AuditLogID":"x"}\n${future}${lines(3)}`);
    expect(restorer).toMatchObject({ stored: 3, known: 1, bad: 3 });
    expect(bad).toEqual([
      'o.log.gz:2 not a JSON object: only NDJSON can be restored',
      'o.log.gz:4 AccountID is missing, without which no event can be restored',
      'o.log.gz:5 ActionTimestamp lies more than 31 days in the future',
    ]);
  });

  it('keeps what came before the place where a gzip file is damaged', async () => {
    const packed = gzipSync(lines(2000));
    const restorer = create();
    await restore(restorer, packed.subarray(0, packed.length - 100));
    expect(restorer.bad).toBeGreaterThan(0);
    expect(bad.at(0)).toContain('o.log.gz:0 the object is no whole gzip file');
    expect(restorer.stored).toBeGreaterThan(1000);
  });

  it('throws when an object cannot be read, and does not call it bad', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield gzipSync(lines(10)).subarray(0, 40);
      throw new Error('connection lost');
    }
    await expect(create().restore('o', broken())).rejects.toThrow('connection lost');
    expect(bad).toEqual([]);
  });

  it('leaves out other accounts and times', async () => {
    const micros = Date.UTC(2026, 4, 21) * 1000;
    const restorer = create({ accountId: 'acme', sinceMicros: micros, beforeMicros: micros + 1e9 });
    await restore(restorer, lines(2) + lines(3, 'other') + lines(4, 'acme', '2026-05-20'));
    expect(restorer).toMatchObject({ stored: 2, leftOut: 7 });
  });

  it('stores nothing in a dry run', async () => {
    const restorer = create({ isDryRun: true });
    await restore(restorer, lines(5));
    expect(restorer.stored).toBe(5);
    expect(store.entries).toEqual([]);
  });
});
