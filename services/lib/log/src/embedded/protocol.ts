import type { PartitionBounds } from '@trailpush/core';
import type { ChunkHeader } from './framing.ts';

/** Frames of one partition that are stored and found together. */
export interface NewChunk {
  readonly partition: number;
  readonly records: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** What one removal took away, for the log. */
export interface Removed {
  readonly records: number;
  readonly bytes: number;
}

/** What the thread that holds the database can be asked for. Each is one transaction at most. */
export interface Operations {
  /** Opens the file, and makes it when there is none. Comes first. */
  open: {
    request: { readonly path: string; readonly partitions: number };
    reply: { readonly bounds: readonly PartitionBounds[]; readonly lastTimestampMs: number };
  };
  /** Stores all chunks or none; they are synced when the reply comes. */
  append: {
    request: { readonly timestampMs: number; readonly chunks: readonly NewChunk[] };
    reply: readonly PartitionBounds[];
  };
  /** Whole chunks from the one that holds `offset` on: one at least, until `maxBytes` is reached. */
  read: {
    request: { readonly partition: number; readonly offset: number; readonly maxBytes: number };
    reply: { readonly headers: readonly ChunkHeader[]; readonly data: Uint8Array<ArrayBuffer> };
  };
  /** One bounded step of retention; `more` says that there is work for another one. */
  removeOld: {
    request: { readonly beforeMs: number; readonly maxBytes: number };
    reply: {
      readonly bounds: readonly PartitionBounds[];
      readonly removed: Removed;
      readonly more: boolean;
    };
  };
  /** Stores the offsets of a consumer group. */
  commit: {
    request: {
      readonly groupId: string;
      readonly offsets: readonly (readonly [partition: number, offset: number])[];
    };
    reply: undefined;
  };
  /** Writes and syncs, to see whether that works again. */
  probe: { request: undefined; reply: undefined };
  close: { request: undefined; reply: undefined };
}

export type OperationName = keyof Operations;

export interface Request<Name extends OperationName = OperationName> {
  readonly id: number;
  readonly name: Name;
  readonly request: Operations[Name]['request'];
}

/** Why an operation failed: SQLite's code, or none for anything else. */
export interface Failure {
  readonly code: string | undefined;
  readonly message: string;
}

export type Reply =
  | { readonly id: number; readonly reply: unknown }
  | { readonly id: number; readonly failure: Failure };
