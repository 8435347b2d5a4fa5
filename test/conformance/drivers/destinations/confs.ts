import { InvalidDestinationError, type Job, Secret } from '@trailpush/core';
import { objectKey, parseDestination } from '@trailpush/destinations';
import { createGoogleKey } from '@trailpush/test/kit/google-key.ts';
import { expect } from 'vitest';

import { objectName } from '../../../../services/batcher/src/object-name.ts';
import { batchLimits } from '../../../../services/batcher/src/open-job.ts';
import {
  HTTP_DEADLINE_MS,
  HTTP_LIMITS,
} from '../../../../services/lib/destinations/src/http-post.ts';
import type { Case, Driver, DriverTable } from '../../cases.ts';

const policy = {
  allowPrivate: [],
  fileRoot: '/data/out',
  googleKey: new Secret(createGoogleKey().json),
};

export function refusalOf(conf: string): string {
  try {
    parseDestination(conf, policy);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidDestinationError);
    return (error as Error).message;
  }
  throw new Error(`${conf} was accepted`);
}

const destination: Driver = (entry) => {
  const conf = String(entry['conf']);
  if (entry['valid'] === false) {
    const error = entry['error'] as string | { message: string } | undefined;
    const words = typeof error === 'object' ? error.message : (error ?? '');
    // URLs may hold more characters here than Logpush takes; the beginning of the sentence is its own.
    const [beginning = ''] = words.split('"^[');
    expect(refusalOf(conf)).toMatch(/^invalid destination_conf: /);
    expect(refusalOf(conf).startsWith(beginning)).toBe(true);
    return;
  }
  const parsed = parseDestination(conf, policy);
  expect(parsed.kind).toBe(entry['scheme']);
  if (entry['path'] !== undefined) expect(parsed.pathTemplate).toBe(entry['path']);
  const bucket = entry['bucket'] as string | undefined;
  if (bucket !== undefined) expect(parsed.location).toBe(`s3://${bucket}`);
};

/** Logpush's own words, with what to do about it behind them. */
const grammar: Driver = ({ error }) => {
  const refusal = refusalOf('s3://bucket/a b?region=us-east-1');
  expect(refusal.startsWith(String(error))).toBe(true);
};

const dateMacro: Driver = ({ path, date, expect: folder }) => {
  const atMs = Date.parse(`${String(date)}T23:59:59.999Z`);
  expect(objectKey(String(path), atMs, 'o')).toBe(`${String(folder)}/o`);
};

function nameOf({ start, end }: Case): string {
  const parts = {
    ...{ jobId: 1, contentRevision: 1, topic: 'audit.events', incarnation: 0, partition: 0 },
    ...{ first: 0, last: 9 },
    minTimestampMs: Date.parse(String(start)),
    maxTimestampMs: Date.parse(String(end)),
  };
  return objectName(parts, 0);
}

const withoutHash = (key: string): string => key.replace(/[0-9a-f]{8}\.log\.gz$/, '');

const objectNameOf: Driver = (entry) => {
  if (entry['matches'] === false) {
    expect(String(entry['key'])).not.toMatch(/\.log\.gz$/);
    return;
  }
  const template = /^\w+:\/\/[^/]+\/([^?]*)/.exec(String(entry['conf']))?.[1] ?? '';
  const key = objectKey(template, Date.parse(String(entry['start'])), nameOf(entry));
  expect(withoutHash(key)).toBe(withoutHash(String(entry['key'])));
};

const objectNameRegex: Driver = (entry) => {
  // JavaScript names its groups without the P.
  const regex = new RegExp(String(entry['regex']).replaceAll('(?P<', '(?<'));
  const times = { start: '2026-01-02T03:04:05Z', end: '2026-01-02T03:04:35Z' };
  const name = nameOf({ ...entry, ...times });
  for (const template of ['', 'logs', 'a/dt={DATE}']) {
    const groups = regex.exec(objectKey(template, Date.parse(times.start), name))?.groups;
    expect(groups).toMatchObject({ start: '20260102T030405Z', end: '20260102T030435Z' });
  }
};

const TIMEOUTS_MS: Readonly<Record<string, number>> = {
  tcp_dial: HTTP_LIMITS.connectMs,
  tls_handshake: HTTP_LIMITS.tlsMs,
  no_progress_watchdog: HTTP_LIMITS.silenceMs,
  // One limit for silence, during a request and between two.
  idle_connection_reuse: HTTP_LIMITS.silenceMs,
  overall_http_client: HTTP_DEADLINE_MS,
};

const timeout: Driver = ({ name, seconds }) => {
  expect(TIMEOUTS_MS[String(name)]).toBe(Number(seconds) * 1_000);
};

/** Datadog cuts longer lines itself, so the limit of one line is its own. */
const datadogLimits: Driver = ({ value }) => {
  const limits = value as { payload_bytes: number; entries: number };
  const conf = 'datadog://http-intake.logs.datadoghq.com/v1/input?header_DD-API-KEY=k';
  expect(parseDestination(conf, policy).maxima).toEqual({
    payloadBytes: limits.payload_bytes,
    records: limits.entries,
  });
};

const defaultRecords: Driver = ({ value }) => {
  const spec = { maxUploadBytes: 0, maxUploadRecords: 0, maxUploadIntervalSeconds: 0 };
  expect(batchLimits({ spec } as Job).maxRecords).toBe(value);
};

export const confDrivers: DriverTable = {
  'delivery-318': defaultRecords,
  'delivery-321': datadogLimits,
  destination,
  destination_grammar: grammar,
  date_macro: dateMacro,
  object_name: objectNameOf,
  object_name_regex: objectNameRegex,
  timeout,
};
