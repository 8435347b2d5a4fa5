import type { LogRecord } from '@trailpush/core';
import { decompress } from './codecs.ts';
import type { AbortedTransaction } from './requests.ts';

/*
 * A record batch (magic 2): base offset int64, length int32, leader epoch int32, magic int8, crc int32,
 * attributes int16, last offset delta int32, first and last timestamp int64, producer id int64, producer
 * epoch int16, sequence int32, record count int32, records (compressed as one when the attributes say so).
 */
const at = {
  length: 8,
  magic: 16,
  attributes: 21,
  lastOffsetDelta: 23,
  firstTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  recordCount: 57,
  records: 61,
} as const;
/** What precedes the bytes that `length` counts. */
const lengthEnd = 12;

const codecMask = 0x07;
const logAppendTimeFlag = 0x08;
const transactionalFlag = 0x10;
const controlFlag = 0x20;
const abortMarker = 0;

export interface DecodedRecords {
  readonly records: LogRecord[];
  /** Behind the last batch, also when it held no record for us. `from` when there was no whole batch. */
  readonly nextOffset: number;
}

/**
 * Decodes what a fetch returned, from offset `from` on (a batch may begin before it). Leaves out control
 * records and the records of aborted transactions. Values are views into `recordSet`, or into buffers of
 * their own for compressed batches.
 * @throws Error when a batch cannot be decoded; there is no way around it but to skip it by hand.
 */
export async function decodeRecordSet(
  recordSet: Buffer,
  from: number,
  aborted: readonly AbortedTransaction[],
): Promise<DecodedRecords> {
  const records: LogRecord[] = [];
  const pendingAborts = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<number>();
  let nextOffset = from;
  let start = 0;
  // The broker cuts the last batch anywhere; the next fetch begins with it.
  while (start + at.records <= recordSet.length) {
    const end = start + lengthEnd + recordSet.readInt32BE(start + at.length);
    if (end > recordSet.length) break;
    const batch = recordSet.subarray(start, end);
    start = end;
    checkMagic(batch);
    const baseOffset = safeInt64(batch, 0);
    const lastOffset = baseOffset + batch.readInt32BE(at.lastOffsetDelta);
    while (pendingAborts[0] !== undefined && pendingAborts[0].firstOffset <= lastOffset) {
      aborting.add(pendingAborts[0].producerId);
      pendingAborts.shift();
    }
    if (lastOffset < from) continue;
    nextOffset = lastOffset + 1;
    const attributes = batch.readInt16BE(at.attributes);
    const producerId = safeInt64(batch, at.producerId);
    if ((attributes & controlFlag) !== 0) {
      if (markerType(batch) === abortMarker) aborting.delete(producerId);
    } else if ((attributes & transactionalFlag) === 0 || !aborting.has(producerId)) {
      await decodeBatch(batch, baseOffset, from, records);
    }
  }
  return { records, nextOffset };
}

async function decodeBatch(
  batch: Buffer,
  baseOffset: number,
  from: number,
  records: LogRecord[],
): Promise<void> {
  const attributes = batch.readInt16BE(at.attributes);
  const codec = attributes & codecMask;
  const packed = batch.subarray(at.records);
  const bytes = codec === 0 ? packed : await decompress(codec, packed);
  const byBroker = (attributes & logAppendTimeFlag) !== 0;
  const timestampMs = safeInt64(batch, byBroker ? at.maxTimestamp : at.firstTimestamp);
  const cursor = { bytes, offset: 0 };
  for (let left = batch.readInt32BE(at.recordCount); left > 0; left -= 1) {
    const length = readVarint(cursor);
    const end = cursor.offset + length;
    if (length < 0 || end > bytes.length) throw new Error('a record is cut short');
    cursor.offset += 1; // attributes, unused
    const timestampDelta = readVarint(cursor);
    const offset = baseOffset + readVarint(cursor);
    const key = readBytes(cursor);
    const value = readBytes(cursor);
    if (offset >= from) {
      records.push({
        offset,
        timestampMs: byBroker ? timestampMs : timestampMs + timestampDelta,
        key,
        value,
      });
    }
    // Headers lie between here and the end; nothing reads them.
    cursor.offset = end;
  }
}

interface Cursor {
  readonly bytes: Buffer;
  offset: number;
}

/** Zigzag, up to 64 bits. Times need more than 32; a number holds 53, which no real delta exceeds. */
function readVarint(cursor: Cursor): number {
  const { bytes } = cursor;
  let raw = 0;
  let factor = 1;
  for (;;) {
    const byte = bytes[cursor.offset];
    if (byte === undefined || factor > 2 ** 63)
      throw new Error('a number in a record is malformed');
    cursor.offset += 1;
    raw += (byte & 0x7f) * factor;
    if (byte < 0x80) break;
    factor *= 128;
  }
  return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
}

function readBytes(cursor: Cursor): Buffer | null {
  const length = readVarint(cursor);
  if (length < 0) return null;
  const start = cursor.offset;
  cursor.offset = start + length;
  if (cursor.offset > cursor.bytes.length) throw new Error('a record is cut short');
  return cursor.bytes.subarray(start, cursor.offset);
}

/** A control record's key is version int16, type int16. */
function markerType(batch: Buffer): number {
  const cursor = { bytes: batch.subarray(at.records), offset: 0 };
  readVarint(cursor); // length
  cursor.offset += 1; // attributes
  readVarint(cursor); // time
  readVarint(cursor); // offset
  return readBytes(cursor)?.readInt16BE(2) ?? -1;
}

function checkMagic(batch: Buffer): void {
  const magic = batch.readInt8(at.magic);
  if (magic !== 2) {
    throw new Error(
      `a batch has message format ${magic}; only 2 (Kafka 0.11 and newer) is supported`,
    );
  }
}

function safeInt64(buffer: Buffer, offset: number): number {
  const value = buffer.readInt32BE(offset) * 2 ** 32 + buffer.readUInt32BE(offset + 4);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`);
  return value;
}
