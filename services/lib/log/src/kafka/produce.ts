import { crc32c } from './crc32c.ts';
import type { ApiRequest } from './requests.ts';
import { WireWriter } from './wire.ts';

export interface ProducerIdentity {
  readonly producerId: number;
  readonly epoch: number;
}

/** An identity under which the broker recognises a batch that is sent again. */
export function initProducerIdRequest(): ApiRequest<
  ProducerIdentity & { readonly errorCode: number }
> {
  return {
    apiKey: 22,
    apiVersion: 1,
    apiName: 'InitProducerId',
    body: new WireWriter().string(null).int32(0).finish(),
    decode: (reader) => {
      const throttleMs = reader.int32();
      const errorCode = reader.int16();
      return {
        throttleMs,
        result: { errorCode, producerId: reader.int64(), epoch: reader.int16() },
      };
    },
  };
}

export interface ProducedPartition {
  readonly partition: number;
  readonly errorCode: number;
}

/** One encoded batch for each of the partitions; answered when all in-sync replicas have them. */
export function produceRequest(
  topic: string,
  batches: readonly { readonly partition: number; readonly bytes: Buffer }[],
  timeoutMs: number,
): ApiRequest<readonly ProducedPartition[]> {
  const writer = new WireWriter();
  writer
    .string(null) // no transaction
    .int16(-1) // all in-sync replicas
    .int32(timeoutMs)
    .int32(1)
    .string(topic)
    .array(batches, ({ partition, bytes }) => writer.int32(partition).bytes(bytes));
  return {
    apiKey: 0,
    apiVersion: 7,
    apiName: 'Produce',
    body: writer.finish(),
    decode: (reader) => {
      const topics = reader.array(() => {
        reader.string();
        return reader.array(() => {
          const partition = reader.int32();
          const errorCode = reader.int16();
          reader.int64(); // base offset
          reader.int64(); // append time
          reader.int64(); // log start
          return { partition, errorCode };
        });
      });
      return { throttleMs: reader.int32(), result: topics.flat() };
    },
  };
}

export interface RecordToEncode {
  readonly key: Buffer;
  readonly value: Uint8Array;
}

const batchHeaderBytes = 61;
/** Everything of a record but key and value, at most: five varints and a byte. */
const recordOverheadBytes = 32;

/** An upper bound of what a record takes in a batch. */
export function encodedSize(record: RecordToEncode): number {
  return record.key.length + record.value.byteLength + recordOverheadBytes;
}

/** A record batch (magic 2, see `record-batch.ts`), uncompressed. */
export function encodeBatch(
  records: readonly RecordToEncode[],
  { producerId, epoch }: ProducerIdentity,
  sequence: number,
  timestampMs: number,
): Buffer {
  const capacity = records.reduce((sum, record) => sum + encodedSize(record), batchHeaderBytes);
  const bytes = Buffer.allocUnsafe(capacity);
  let end = batchHeaderBytes;
  for (const [index, record] of records.entries()) end = writeRecord(bytes, end, index, record);
  bytes.writeBigInt64BE(0n, 0); // base offset: the broker's to give
  bytes.writeInt32BE(end - 12, 8);
  bytes.writeInt32BE(-1, 12); // leader epoch
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(0, 21); // attributes
  bytes.writeInt32BE(records.length - 1, 23);
  bytes.writeBigInt64BE(BigInt(timestampMs), 27);
  bytes.writeBigInt64BE(BigInt(timestampMs), 35);
  bytes.writeBigInt64BE(BigInt(producerId), 43);
  bytes.writeInt16BE(epoch, 51);
  bytes.writeInt32BE(sequence, 53);
  bytes.writeInt32BE(records.length, 57);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21, end)), 17);
  return bytes.subarray(0, end);
}

/** Returns where the next record goes. */
function writeRecord(bytes: Buffer, start: number, index: number, record: RecordToEncode): number {
  const { key, value } = record;
  const length =
    1 + // attributes
    1 + // timestamp delta 0
    varintSize(index) +
    varintSize(key.length) +
    key.length +
    varintSize(value.byteLength) +
    value.byteLength +
    1; // no headers
  let offset = writeVarint(bytes, start, length);
  bytes[offset] = 0;
  bytes[offset + 1] = 0;
  offset = writeVarint(bytes, offset + 2, index);
  offset = writeVarint(bytes, offset, key.length);
  bytes.set(key, offset);
  offset = writeVarint(bytes, offset + key.length, value.byteLength);
  bytes.set(value, offset);
  offset += value.byteLength;
  bytes[offset] = 0;
  return offset + 1;
}

/** Zigzag of a number that is not negative is its double. */
function varintSize(value: number): number {
  let size = 1;
  for (let rest = value * 2; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

function writeVarint(bytes: Buffer, start: number, value: number): number {
  let offset = start;
  let rest = value * 2;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    bytes[offset] = (rest % 0x80) + 0x80;
    offset += 1;
  }
  bytes[offset] = rest;
  return offset + 1;
}
