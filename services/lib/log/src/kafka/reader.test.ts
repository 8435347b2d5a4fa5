import { describe, expect, it } from 'vitest';
import { LogClosedError } from '@trailpush/core';
import type { ReadResult } from '@trailpush/core';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { KafkaReader } from './reader.ts';

function openAt(offset: number) {
  const clock = new FakeClock();
  const reader = new KafkaReader({ partition: 3, offset }, clock, () => undefined);
  return { clock, reader };
}

function result(nextOffset: number): ReadResult {
  return { partition: 3, start: 0, end: 100, nextOffset, records: [] };
}

describe('a reader between a fetch loop and a lane', () => {
  it('holds one result ahead and asks for no more until it is taken', async () => {
    const { reader } = openAt(10);
    reader.fetched(10, result(20));
    expect(reader.fetchInMs).toBe(Infinity);
    expect(await reader.read()).toEqual(result(20));
    expect(reader.fetchInMs).toBe(0);
    expect(reader.position).toBe(20);
  });

  it('ignores the slower of two fetches of the same position', async () => {
    const { reader } = openAt(10);
    const first = reader.read();
    reader.fetched(10, result(20));
    reader.fetched(10, result(30));
    reader.failed(10);
    reader.rejected(10, new Error('late'));
    expect(await first).toEqual(result(20));
    expect(reader.fetchInMs).toBe(0);
    reader.fetched(20, result(40));
    expect(await reader.read()).toEqual(result(40));
  });

  it('keeps a result that comes before a read that was answered has gone on', async () => {
    const { reader } = openAt(10);
    const first = reader.read();
    reader.fetched(10, result(20));
    reader.fetched(20, result(30));
    expect(await first).toEqual(result(20));
    expect(await reader.read()).toEqual(result(30));
  });

  it('answers at the end only after a while, and records at once', async () => {
    const { clock, reader } = openAt(10);
    let answered = false;
    const reading = reader.read().then(() => (answered = true));
    await clock.advance(600);
    reader.fetched(10, result(10));
    await clock.advance(0);
    expect(answered).toBe(false);
    await clock.advance(200);
    reader.fetched(10, result(10));
    await reading;
    expect(reader.position).toBe(10);
  });

  it('waits longer after every failure, up to five seconds', () => {
    const { clock, reader } = openAt(10);
    const waits = Array.from({ length: 12 }, () => {
      reader.failed(10);
      return reader.fetchInMs;
    });
    expect(waits[0]).toBeLessThanOrEqual(100);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(2_500);
    expect(Math.max(...waits)).toBeLessThanOrEqual(5_000);
    reader.fetched(10, result(10));
    reader.failed(10);
    expect(reader.fetchInMs).toBeLessThanOrEqual(100);
    expect(clock.pendingTimers).toBe(0);
  });

  it('tells of a refused position at every read, until it is closed', async () => {
    const { reader } = openAt(10);
    reader.rejected(10, new Error('gone'));
    await expect(reader.read()).rejects.toThrow('gone');
    expect(reader.fetchInMs).toBe(0);
    const waiting = expect(reader.read()).rejects.toThrow(LogClosedError);
    await reader.close();
    await waiting;
    await expect(reader.read()).rejects.toThrow(LogClosedError);
    expect(reader.fetchInMs).toBe(Infinity);
  });
});
