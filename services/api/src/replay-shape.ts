import type { Replay } from '@trailpush/core';
import { z } from 'zod';

import { ApiError, CODE, type ErrorItem } from './envelope.ts';
import type { CountedRange, ReplayCount } from './replay-count.ts';

/** The public names of a replay's properties, in requests and answers. */

/** Both ends are inclusive, as in the metadata of objects. */
export interface OffsetRange {
  readonly partition: number;
  readonly first: number;
  readonly last: number;
}

/** What a body asks for: a range of broker times, or of offsets. */
export interface ReplayRequest {
  readonly sinceMs: number | undefined;
  readonly beforeMs: number | undefined;
  readonly offsets: readonly OffsetRange[] | undefined;
  readonly destinationConf: string | undefined;
  readonly maxRecordsPerSecond: number | null;
  readonly dryRun: boolean;
}

const MAX_CONF_CHARACTERS = 4096;
const MAX_RANGES = 1000;
const MAX_RECORDS_PER_SECOND = 10_000_000;

const time = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
  .transform((text) => Date.parse(text));
const offset = z
  .int({ error: 'must hold whole numbers' })
  .min(0, { error: 'must not be negative' });

const SCHEMA = z
  .strictObject({
    since: time,
    before: time,
    offsets: z
      .array(z.strictObject({ partition: offset, first: offset, last: offset }), {
        error: 'must be an array of {"partition", "first", "last"}',
      })
      .min(1, { error: 'must name at least one partition' })
      .max(MAX_RANGES, { error: `must name at most ${MAX_RANGES} partitions` }),
    destination_conf: z
      .string({ error: 'must be a text' })
      .max(MAX_CONF_CHARACTERS, { error: `must have at most ${MAX_CONF_CHARACTERS} characters` }),
    max_records_per_second: z
      .int({ error: 'must be a whole number' })
      .min(1, { error: 'must be at least 1' })
      .max(MAX_RECORDS_PER_SECOND, { error: `must be at most ${MAX_RECORDS_PER_SECOND}` })
      .nullable(),
    dry_run: z.boolean({ error: 'must be true or false' }),
  })
  .partial()
  .superRefine((body, context) => {
    const wrong = (name: string, message: string) =>
      context.addIssue({ code: 'custom', path: [name], message });
    const { since, before, offsets } = body;
    if (offsets === undefined && since === undefined) {
      wrong('since', 'must be given, or else offsets: what is to be delivered once more?');
    }
    if (offsets !== undefined && (since !== undefined || before !== undefined)) {
      wrong('offsets', 'cannot be given together with since or before: send one of the two');
    }
    if (since !== undefined && before !== undefined && before <= since) {
      wrong('before', 'must be later than since');
    }
    if (new Set(offsets?.map(({ partition }) => partition)).size !== (offsets?.length ?? 0)) {
      wrong('offsets', 'names a partition twice: one range for each is possible');
    }
    if (offsets?.some(({ first, last }) => last < first) === true) {
      wrong('offsets', 'has a range whose last offset lies before its first');
    }
  });

/** @throws ApiError (400) with an item for every property that is wrong. */
export function readReplayRequest(body: unknown): ReplayRequest {
  const parsed = SCHEMA.safeParse(body ?? {});
  if (!parsed.success) {
    const [first, ...others] = parsed.error.issues.flatMap(problemsOf);
    if (first === undefined) throw parsed.error;
    throw new ApiError(400, [first, ...others.slice(0, 19)]);
  }
  const { data } = parsed;
  return {
    sinceMs: data.since,
    beforeMs: data.before,
    offsets: data.offsets,
    destinationConf: data.destination_conf,
    maxRecordsPerSecond: data.max_records_per_second ?? null,
    dryRun: data.dry_run ?? false,
  };
}

function problemsOf(issue: z.core.$ZodIssue): ErrorItem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => problem([...issue.path, key], 'is not a property of a replay'));
  }
  if (issue.path.length === 0) {
    return [{ code: CODE.invalid, message: 'the body must be a JSON object' }];
  }
  return [problem(issue.path, issue.message)];
}

function problem(path: readonly PropertyKey[], message: string): ErrorItem {
  const names = path.map((part) => String(part).slice(0, 80));
  const pointer = names.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
  return {
    code: CODE.invalid,
    message: `${names.join('.')} ${message}`,
    source: { pointer: pointer.join('') },
  };
}

export function showReplay(replay: Replay): object {
  const { ranges } = replay;
  const all = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  const done = ranges.reduce((sum, { from, cursor }) => sum + cursor - from, 0);
  return {
    id: replay.id,
    job_id: replay.jobId,
    state: replay.state,
    destination: replay.location,
    ranges: ranges.map((range) => showRange({ ...range, next: range.cursor })),
    progress: all === 0 ? 1 : Math.floor((done / all) * 10_000) / 10_000,
    max_records_per_second: replay.maxRecordsPerSecond,
    records: replay.records,
    objects: replay.objects,
    bytes: replay.payloadBytes,
    error_message: replay.errorMessage,
    started: new Date(replay.createdAtMs).toISOString(),
    ended: replay.endedAtMs === null ? null : new Date(replay.endedAtMs).toISOString(),
  };
}

export function showCount({ ranges, examined, records, undecodable }: ReplayCount): object {
  return {
    dry_run: true,
    complete: ranges.every(({ next, to }) => next >= to),
    ranges: ranges.map(showRange),
    examined,
    records,
    undecodable,
  };
}

function showRange({ partition, from, to, next }: CountedRange): object {
  return { partition, first: from, last: to - 1, next };
}
