import { UndecodableRecordError } from '@trailpush/core';

/**
 * The position in one Avro value, and the leaves found so far. Reused for every record: nothing is
 * allocated for one. All positions count from the start of the memory that the value lies in, so that
 * one view serves all records of a fetch.
 */
export class AvroCursor {
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the value lies in `view`; nothing outside is read. */
  start = 0;
  end = 0;
  position = 0;
  nesting = 0;
  /** Start of a text leaf in `view`, -1 when absent. For integers: 0 when present. */
  readonly starts: Int32Array;
  /** For times, which are microseconds: the nanoseconds beyond, 0 to 999. */
  readonly ends: Int32Array;
  readonly integers: Float64Array;
  #memory: ArrayBufferLike | undefined;

  constructor(slots: number) {
    this.starts = new Int32Array(slots);
    this.ends = new Int32Array(slots);
    this.integers = new Float64Array(slots);
  }

  /** Stands at the beginning of `value`, `headerBytes` into it, with all leaves absent. */
  reset(value: Uint8Array, headerBytes: number): void {
    const memory = value.buffer;
    if (memory !== this.#memory) {
      this.#memory = memory;
      this.view = new DataView(memory);
    }
    this.start = value.byteOffset;
    this.end = this.start + value.length;
    this.position = this.start + headerBytes;
    this.nesting = 0;
    this.starts.fill(-1);
  }
}

export function notAvro(detail: string): UndecodableRecordError {
  return new UndecodableRecordError('not_avro', `the value is not Avro of its schema: ${detail}`);
}

/** 64 bits at seven a byte. */
const MAX_LONG_BYTES = 10;

/** One zigzag varint. Exact for safe integers, and never one of those for anything larger. */
export function readLong(cursor: AvroCursor): number {
  const { view, position, end } = cursor;
  const byte = position < end ? view.getUint8(position) : 0x80;
  if (byte >= 0x80) return readLongerLong(cursor);
  cursor.position = position + 1;
  return (byte >> 1) ^ -(byte & 1);
}

function readLongerLong(cursor: AvroCursor): number {
  const { view, position: first, end } = cursor;
  let at = first;
  let byte = 0x80;
  // Four bytes fit into an integer of the machine; the lowest bit of all is the sign.
  let low = 0;
  for (let shift = 0; byte >= 0x80 && shift < 28; shift += 7) {
    if (at >= end) throw notAvro('it ends inside a number');
    byte = view.getUint8(at++);
    low |= (byte & 0x7f) << shift;
  }
  let magnitude = low >> 1;
  for (let factor = 0x8000000; byte >= 0x80; factor *= 0x80) {
    if (at >= end) throw notAvro('it ends inside a number');
    if (at - first === MAX_LONG_BYTES) throw notAvro('a number has more than 64 bits');
    byte = view.getUint8(at++);
    magnitude += (byte & 0x7f) * factor;
  }
  cursor.position = at;
  return (low & 1) === 0 ? magnitude : -magnitude - 1;
}

/** The length of the bytes that follow; they lie inside the value. */
export function readLength(cursor: AvroCursor): number {
  const { view, end, position } = cursor;
  // Nearly all lengths are below 64 and take one byte.
  const byte = position < end ? view.getUint8(position) : 1;
  if ((byte & 0x81) === 0) {
    const length = byte >> 1;
    if (length < end - position) {
      cursor.position = position + 1;
      return length;
    }
  }
  return readLongLength(cursor);
}

function readLongLength(cursor: AvroCursor): number {
  const length = readLong(cursor);
  const rest = cursor.end - cursor.position;
  if (length < 0) throw notAvro('a length is negative');
  if (length > rest) throw tooLong(length, rest);
  return length;
}

export function tooLong(length: number, rest: number): UndecodableRecordError {
  return notAvro(`a length of ${length} bytes, where ${rest} are left`);
}
