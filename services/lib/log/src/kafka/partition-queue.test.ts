import { describe, expect, it } from 'vitest';
import { AppendCall, PartitionQueue } from './partition-queue.ts';
import type { Sequences } from './partition-queue.ts';
import type { RecordToEncode } from './produce.ts';

const sequences = (): Sequences => ({ producerId: 1, epoch: 0, next: new Map() });
const record = (size: number): RecordToEncode => ({
  key: Buffer.from('k'),
  value: Buffer.alloc(size),
});
/** Base sequence and record count of an encoded batch. */
const numbersOf = (bytes: Buffer | undefined): number[] =>
  bytes === undefined ? [] : [bytes.readInt32BE(53), bytes.readInt32BE(57)];

function confirmAll(queue: PartitionQueue, under: Sequences): number[][] {
  const batches: number[][] = [];
  for (;;) {
    const batch = queue.seal(under, 0);
    if (batch === undefined) return batches;
    batches.push(numbersOf(batch.bytes));
    for (const [call, records] of batch.calls) call.stored(records);
    queue.batch = undefined;
  }
}

describe('the queue of a partition', () => {
  it('puts waiting calls into one batch and numbers records without a hole', async () => {
    const queue = new PartitionQueue(0);
    const calls = [3, 1, 5].map((count) => {
      const call = new AppendCall(count, 1_000);
      queue.add(call, Array<RecordToEncode>(count).fill(record(10)));
      return call;
    });
    const under = sequences();
    expect(confirmAll(queue, under)).toEqual([[0, 9]]);
    await Promise.all(calls.map((call) => call.done));
    queue.add(new AppendCall(1, 1_000), [record(1)]);
    expect(confirmAll(queue, under)).toEqual([[9, 1]]);
  });

  it('splits by bytes, and sends a record that is larger alone', () => {
    const queue = new PartitionQueue(0);
    const sizes = [400_000, 400_000, 400_000, 2_000_000, 10, 10];
    queue.add(
      new AppendCall(6, 1_000),
      sizes.map((size) => record(size)),
    );
    expect(confirmAll(queue, sequences()).map(([, count]) => count)).toEqual([2, 1, 1, 2]);
  });

  it('numbers on from zero behind the largest sequence number', () => {
    const queue = new PartitionQueue(0);
    const under = sequences();
    under.next.set(0, 2 ** 31 - 2);
    queue.add(new AppendCall(3, 1_000), [record(1), record(1), record(1)]);
    expect(confirmAll(queue, under)).toEqual([[2 ** 31 - 2, 3]]);
    expect(under.next.get(0)).toBe(1);
  });

  it('seals the same records again under another producer id', () => {
    const queue = new PartitionQueue(0);
    queue.add(new AppendCall(2, 1_000), [record(1), record(2)]);
    const under = sequences();
    under.next.set(0, 77);
    const batch = queue.seal(under, 0)!;
    expect(numbersOf(batch.bytes)).toEqual([77, 2]);
    expect(numbersOf(queue.sealAgain(batch, sequences(), 0)?.bytes)).toEqual([0, 2]);
  });

  it('gives up what has waited too long, but not what is being sent', async () => {
    const queue = new PartitionQueue(0);
    const [old, young] = [new AppendCall(1, 100), new AppendCall(1, 200)];
    queue.add(old, [record(1)]);
    queue.seal(sequences(), 0);
    queue.sending = true;
    queue.add(young, [record(1)]);
    expect(queue.expire(150, 'slow')).toBe(false);
    queue.sending = false;
    expect(queue.expire(150, 'slow')).toBe(true);
    await expect(old.done).rejects.toThrow('slow');
    expect(queue.empty).toBe(false);
    expect(queue.expire(200, 'slow')).toBe(false);
    await expect(young.done).rejects.toThrow('slow');
    expect(queue.empty).toBe(true);
  });

  it('sends nothing more of a call that failed', async () => {
    const queue = new PartitionQueue(0);
    const call = new AppendCall(2, 100);
    queue.add(call, [record(800_000), record(800_000)]);
    queue.seal(sequences(), 0);
    queue.fail(new Error('refused'));
    await expect(call.done).rejects.toThrow('refused');
    expect(queue.seal(sequences(), 0)).toBeUndefined();
    expect(queue.empty).toBe(true);
  });
});
