import { describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';
import { encodeBatch } from './produce.ts';
import type { RecordToEncode } from './produce.ts';
import { decodeRecordSet } from './record-batch.ts';

const nobody = { producerId: -1, epoch: -1 };

function records(count: number, size = 10): RecordToEncode[] {
  return Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(`key-${i}`),
    value: Buffer.alloc(size, `${i} `),
  }));
}

/** As the broker stores it: with the base offset, and its own time when `appendTimeMs` is given. */
function stored(baseOffset: number, batch: Buffer, appendTimeMs?: number): Buffer {
  const bytes = Buffer.from(batch);
  bytes.writeBigInt64BE(BigInt(baseOffset), 0);
  if (appendTimeMs !== undefined) {
    bytes.writeInt16BE(bytes.readInt16BE(21) | 0x08, 21);
    bytes.writeBigInt64BE(BigInt(appendTimeMs), 35);
  }
  return bytes;
}

describe('record batches', () => {
  it('come back as they were encoded, at every length of a length', async () => {
    for (const size of [0, 1, 63, 64, 8191, 8192, 1_048_575, 1_048_576]) {
      const given = records(3, size);
      const batch = stored(5_000_000_000, encodeBatch(given, nobody, 0, 1_700_000_000_123));
      const { records: found, nextOffset } = await decodeRecordSet(batch, 5_000_000_000, []);
      expect(nextOffset).toBe(5_000_000_003);
      expect(found.map(({ offset }) => offset - 5_000_000_000)).toEqual([0, 1, 2]);
      expect(found.every(({ timestampMs }) => timestampMs === 1_700_000_000_123)).toBe(true);
      for (const [i, { key, value }] of found.entries()) {
        expect(key).toEqual(given[i]!.key);
        expect(Buffer.compare(value!, given[i]!.value as Buffer)).toBe(0);
      }
    }
  });

  it('carry the checksum that the broker demands', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    const batch = encodeBatch(records(2), nobody, 0, 0);
    expect(batch.readUInt32BE(17)).toBe(crc32c(batch.subarray(21)));
  });

  it('show the time of the broker when it stamps them', async () => {
    const batch = stored(0, encodeBatch(records(2), nobody, 0, 1_000), 99_000);
    const { records: found } = await decodeRecordSet(batch, 0, []);
    expect(found.map(({ timestampMs }) => timestampMs)).toEqual([99_000, 99_000]);
  });

  it('are read up to the last whole one wherever the broker cuts', async () => {
    const first = stored(0, encodeBatch(records(3), nobody, 0, 0));
    const both = Buffer.concat([first, stored(3, encodeBatch(records(2), nobody, 0, 0))]);
    for (let cut = 0; cut <= both.length; cut += 1) {
      const { records: found, nextOffset } = await decodeRecordSet(both.subarray(0, cut), 1, []);
      const expected = cut === both.length ? [1, 2, 3, 4] : cut >= first.length ? [1, 2] : [];
      expect(found.map(({ offset }) => offset)).toEqual(expected);
      expect(nextOffset).toBe((expected.at(-1) ?? 0) + 1);
    }
  });

  it('move the position on also when they were emptied', async () => {
    const batch = stored(10, encodeBatch(records(1), nobody, 0, 0));
    batch.writeInt32BE(4, 23); // offsets 10 to 14
    batch.writeInt32BE(0, 57); // and no record
    expect(await decodeRecordSet(batch, 10, [])).toEqual({ records: [], nextOffset: 15 });
  });

  it('of more records than a function takes arguments are decoded', async () => {
    const batch = stored(0, encodeBatch(records(200_000, 0), nobody, 0, 0));
    const { records: found } = await decodeRecordSet(batch, 0, []);
    expect(found).toHaveLength(200_000);
  });

  it('that are damaged or foreign are refused with a reason', async () => {
    const decode = async (change: (batch: Buffer) => void): Promise<unknown> => {
      const batch = stored(0, encodeBatch(records(2), nobody, 0, 0));
      change(batch);
      return decodeRecordSet(batch, 0, []);
    };
    await expect(decode((batch) => batch.writeInt8(1, 16))).rejects.toThrow('message format 1');
    await expect(decode((batch) => batch.writeInt16BE(7, 21))).rejects.toThrow(
      'codec 7 is unknown',
    );
    await expect(decode((batch) => batch.writeInt8(127, 61))).rejects.toThrow('cut short');
    await expect(decode((batch) => batch.writeInt32BE(3, 57))).rejects.toThrow('malformed');
    await expect(decode((batch) => batch.writeInt8(0x7f, 0))).rejects.toThrow('not a safe integer');
  });
});
