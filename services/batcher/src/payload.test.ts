import type { BatchFrame } from '@trailpush/core';
import { createHash } from 'node:crypto';
import { crc32, gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MemoryBudget } from './memory-budget.ts';
import { compileFrame } from './frame.ts';
import { PayloadBuilder } from './payload.ts';
import { SLICE_BYTES } from './slice-pool.ts';

const MIB = 1024 * 1024;

/** Text that compresses about as well as audit events do. */
function textOf(bytes: number): Buffer {
  const text = Buffer.alloc(bytes);
  let state = 7;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    text[i] = i % 97 === 96 ? 10 : 97 + ((state >>> 16) % 13);
  }
  return text;
}

const NO_FRAME: BatchFrame = {
  ...{ prefix: '', delimiter: '', suffix: '', contentType: 'x/y', defusesLookups: false },
};

function builderOf(budget = new MemoryBudget(64 * MIB), frame = NO_FRAME) {
  const options = { budget, gzipLevel: 6, frame: compileFrame(frame) };
  return { budget, builder: new PayloadBuilder(options) };
}

/** The gzip member of a text that is appended in pieces of these sizes, again and again. */
async function gzipOf(text: Buffer, sizes: readonly number[]): Promise<Buffer> {
  const { builder } = builderOf();
  for (let at = 0, n = 0; at < text.length; n++) {
    const length = Math.min(sizes[n % sizes.length]!, text.length - at);
    builder.append(text.subarray(at, at + length), length);
    at += length;
  }
  expect(builder.seal()).toBe(createHash('sha256').update(text).digest('hex'));
  const payload = await builder.finish();
  const whole = Buffer.concat(payload!.pieces);
  expect(payload!.wireBytes).toBe(whole.length);
  return whole;
}

describe('a payload', () => {
  it.each([1, 96, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 3 * SLICE_BYTES + 17])(
    'of %i bytes is one gzip member that gives them back',
    async (bytes) => {
      const text = textOf(bytes);
      const gzip = await gzipOf(text, [1000]);
      expect(Buffer.compare(gunzipSync(gzip), text)).toBe(0);
      expect(gzip.readUInt32LE(gzip.length - 8)).toBe(crc32(text));
      expect(gzip.readUInt32LE(gzip.length - 4)).toBe(bytes);
    },
  );

  it('compresses to the same bytes wherever its lines end', async () => {
    const text = textOf(2 * SLICE_BYTES + 4321);
    const gzips = await Promise.all(
      [[97], [1, 50_000, 3], [SLICE_BYTES], [SLICE_BYTES - 1, 2], [text.length]].map((sizes) =>
        gzipOf(text, sizes),
      ),
    );
    for (const gzip of gzips) expect(gzip.equals(gzips[0]!)).toBe(true);
  });

  it('takes a line that is longer than its buffers', async () => {
    const { builder } = builderOf();
    const long = textOf(2 * MIB);
    builder.append(Buffer.from('short\n'), 6);
    builder.append(long, long.length);
    builder.seal();
    const payload = await builder.finish();
    const whole = gunzipSync(Buffer.concat(payload!.pieces));
    expect(whole.equals(Buffer.concat([Buffer.from('short\n'), long]))).toBe(true);
  });

  it('has its frame around and between its lines, and counts it', async () => {
    const frame = { ...NO_FRAME, prefix: '[', delimiter: ', ', suffix: ']\n' };
    const { builder } = builderOf(undefined, frame);
    expect(builder.bytesWith(3)).toBe(1 + 3 + 2);
    builder.append(Buffer.from('"a"...'), 3);
    expect(builder.bytes).toBe(4);
    expect(builder.bytesWith(5)).toBe(4 + 2 + 5 + 2);
    builder.append(Buffer.from('"bcd"'), 5);
    const hash = builder.seal();
    const text = '["a", "bcd"]\n';
    expect(gunzipSync(Buffer.concat((await builder.finish())!.pieces)).toString()).toBe(text);
    expect(builder.bytes).toBe(text.length);
    expect(hash).toBe(createHash('sha256').update(text).digest('hex'));
  });

  it.each([
    ['{a}', 'b$', '{"c"}', '$', '{d'],
    ['$', '{', '{', '$', '{'],
    ['', '$', '$', '', ''],
    ['${', '${${', 'a${', '{$', '$'],
    ['$', '$', '{', '$', ''],
    ['', '', '{', '', '$'],
  ])('has no lookup where pieces meet: %j %j %j %j %j', async (prefix, a, b, delimiter, suffix) => {
    const frame = { ...NO_FRAME, prefix, delimiter, suffix, defusesLookups: true };
    const { builder } = builderOf(undefined, frame);
    const wanted = `${prefix}${[a, b, a].join(delimiter)}${suffix}`.replaceAll('${', 'x{');
    for (const each of [a, b, a]) {
      const line = Buffer.from(each.replaceAll('${', 'x{'));
      builder.append(line, line.length);
    }
    const hash = builder.seal();
    expect(hash).toBe(createHash('sha256').update(wanted).digest('hex'));
    expect(builder.bytes).toBe(wanted.length);
    expect(gunzipSync(Buffer.concat((await builder.finish())!.pieces)).toString()).toBe(wanted);
  });

  it('counts what it holds, open, complete and given back', async () => {
    const { budget, builder } = builderOf();
    const text = textOf(SLICE_BYTES + 1000);
    builder.append(text, 100);
    expect(budget.heldBytes).toBe(16 * 1024);
    builder.append(text, text.length);
    expect(builder.heldBytes).toBe(budget.heldBytes);
    expect(budget.excessBytes).toBe(budget.heldBytes - budget.limitBytes / 2);
    builder.seal();
    // What is complete is on its way out.
    expect(budget.excessBytes).toBe(-budget.limitBytes / 2);
    const payload = await builder.finish();
    expect(budget.heldBytes).toBe(payload!.wireBytes - 18);
    builder.release();
    builder.release();
    expect(budget.heldBytes).toBe(0);
    expect(budget.excessBytes).toBe(-budget.limitBytes / 2);
  });

  it('keeps no more memory alive than it counts', async () => {
    const { budget, builder } = builderOf();
    builder.append(textOf(500), 500);
    builder.seal();
    const payload = await builder.finish();
    const [, slice] = payload!.pieces;
    expect(slice!.buffer.byteLength).toBe(slice!.length);
    expect(budget.heldBytes).toBe(slice!.length);
  });

  it('is made of buffers of its own, also when others are given back around it', async () => {
    const texts = [1, 2, 3, 4, 5, 6].map((n) => textOf(2 * SLICE_BYTES + n * 1000));
    const builders = texts.map(() => builderOf().builder);
    for (let at = 0; at < 2 * SLICE_BYTES; at += 4096) {
      for (const [n, builder] of builders.entries()) {
        if (n !== 2 || at < SLICE_BYTES) builder.append(texts[n]!.subarray(at, at + 4096), 4096);
        if (n === 2 && at === SLICE_BYTES) builder.release();
        // Slices come back from the thread pool now and then, and are taken by whoever needs one.
        if (at % (SLICE_BYTES / 4) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    for (const [n, builder] of builders.entries()) {
      if (n === 2) continue;
      builder.seal();
      const gzip = Buffer.concat((await builder.finish())!.pieces);
      expect(gunzipSync(gzip).equals(texts[n]!.subarray(0, 2 * SLICE_BYTES))).toBe(true);
    }
  });

  it('that is given back while its slices are being compressed is nothing afterwards', async () => {
    const { budget, builder } = builderOf();
    const text = textOf(4 * SLICE_BYTES);
    builder.append(text, text.length);
    builder.seal();
    const finishing = builder.finish();
    builder.release();
    expect(await finishing).toBeUndefined();
    expect(budget.heldBytes).toBe(0);
    expect(budget.isFull).toBe(false);
  });
});
