import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';

import type { AttemptResult, Clock, Destination, ObjectToPut } from '@trailpush/core';
import { openDestination, type OpenableDestination } from '@trailpush/destinations';
import { systemClock } from '@trailpush/runtime';

import type { FaultScript } from '../../http-fault.ts';
import { createRecordingLogger } from '../../recording-logger.ts';

/** A place that one test writes to. */
export interface DestinationPlace {
  /** A conf with secrets, if the kind has any. */
  readonly conf: string;
  readonly parsed: OpenableDestination;
  /**
   * What the place holds: by key for object stores, with one body each; by `Idempotency-Key` for
   * receivers, with a body for each time.
   */
  stored(): Promise<ReadonlyMap<string, readonly Buffer[]>>;
  /** Scripts the server; undefined when it is none of ours. */
  readonly faults: FaultScript | undefined;
  stop(): Promise<void>;
}

export interface DestinationHarness {
  start(): Promise<DestinationPlace>;
  /** Whose table of answers applies; `none` when the kind does not talk to a server of ours. */
  readonly answers: 's3' | 'azure' | 'gs' | 'http' | 'splunk' | 'none';
  /** True for object stores, false for receivers of POSTs. */
  readonly storesByKey: boolean;
}

export interface OpenPlace extends DestinationPlace {
  readonly destination: Destination;
}

/** Opens a new place for one test and cleans up after it. */
export async function withPlace(
  harness: DestinationHarness,
  test: (place: OpenPlace) => Promise<void>,
  clock: Clock = systemClock,
): Promise<void> {
  const place = await harness.start();
  const { logger } = createRecordingLogger();
  const destination = openDestination(place.parsed, { clock, logger });
  try {
    await test({ ...place, destination });
  } finally {
    await destination.close();
    await place.stop();
  }
}

let made = 0;

/** An object of its own name, its gzip in several pieces, one of them empty. */
export function makeObject(change: { key?: string; lines?: string } = {}): ObjectToPut {
  made += 1;
  const name = `20260101T000000Z_20260101T000030Z_${made.toString(16).padStart(8, '0')}.log.gz`;
  const lines =
    change.lines ?? `{"n":${made},"random":"${randomBytes(90_000).toString('base64')}"}\n`;
  const gzip = gzipSync(lines);
  const middle = gzip.length >> 1;
  return {
    key: change.key ?? `logs/20260101/${name}`,
    idempotencyKey: `key-${made}`,
    body: [gzip.subarray(0, middle), new Uint8Array(0), gzip.subarray(middle)],
    bodyBytes: gzip.length,
    contentType: 'application/x-ndjson',
    metadata: {
      jobId: 7,
      topic: 'audit.events',
      partition: 3,
      firstOffset: 100,
      lastOffset: 199,
      records: made,
    },
  };
}

export function bodyOf(object: ObjectToPut): Buffer {
  return Buffer.concat(object.body);
}

/** One attempt that nobody aborts. */
export function put(destination: Destination, object: ObjectToPut): Promise<AttemptResult> {
  return destination.put(object, new AbortController().signal);
}
