import type { Job, JobSpec, Secret } from '@trailpush/core';
import { z } from 'zod';

import { bodyReader } from './body-reader.ts';

/**
 * The one place that knows the public names of a job's properties: from a request body to members of
 * a `JobSpec`, and from a job to a response.
 */

/** What a body asks for. Members that it does not name are absent. */
export interface JobChange {
  /** As sent: `REDACTED` in it stands for the stored secret. */
  readonly destinationConf: string | undefined;
  readonly dataset: string | undefined;
  readonly kind: string | undefined;
  readonly ownershipChallenge: string | undefined;
  /** Broker time of the first events of a job that is enabled for the first time; else now. */
  readonly startAtMs: number | undefined;
  readonly settings: Partial<Omit<JobSpec, 'destinationConf' | 'dataset' | 'kind'>>;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

export interface UploadLimits {
  readonly bytes: Range;
  readonly intervalSeconds: Range;
  readonly records: Range;
}

const LOGPUSH_LIMITS: UploadLimits = {
  bytes: { min: 5_000_000, max: 1_000_000_000 },
  intervalSeconds: { min: 30, max: 300 },
  records: { min: 1_000, max: 1_000_000 },
};

/** Logpush's limits of the `max_upload_*` properties; an operator may lower the floors. */
export function uploadLimits(relaxed: boolean): UploadLimits {
  const { bytes, intervalSeconds, records } = LOGPUSH_LIMITS;
  if (!relaxed) return LOGPUSH_LIMITS;
  return {
    bytes: { ...bytes, min: 1_000 },
    intervalSeconds: { ...intervalSeconds, min: 1 },
    records: { ...records, min: 1 },
  };
}

const MAX_NAME_CHARACTERS = 512;
const MAX_CONF_CHARACTERS = 4096;
const MAX_LOGPULL_OPTIONS_CHARACTERS = 4096;

/** 0 and null both mean the default. */
function maximum({ min, max }: Range) {
  const error = `must be 0 or a whole number from ${min} to ${max}`;
  return z
    .int({ error })
    .refine((value) => value === 0 || (value >= min && value <= max), { error })
    .nullable()
    .transform((value) => value ?? 0);
}

const text = (error: string) =>
  z
    .string({ error })
    .nullable()
    .transform((value) => value ?? '');

/** What decides which bytes a job delivers. */
export const contentProperties = {
  dataset: z.string({ error: 'must be the name of a dataset' }).nullable(),
  filter: text('must be a text that holds JSON, or null'),
  output_options: z
    .record(z.string(), z.unknown(), { error: 'must be an object or null' })
    .nullable()
    .transform((value) => (value === null ? null : JSON.stringify(value))),
  logpull_options: z
    .string({ error: 'must be a text or null' })
    .max(MAX_LOGPULL_OPTIONS_CHARACTERS, {
      error: `must have at most ${MAX_LOGPULL_OPTIONS_CHARACTERS} characters`,
    })
    .nullable(),
};

function bodySchema(limits: UploadLimits) {
  const ignored = z.unknown();
  const notHere = 'is not available for the datasets of this installation';
  const properties = z.object({
    ...contentProperties,
    destination_conf: z
      .string({ error: 'must be a text' })
      .max(MAX_CONF_CHARACTERS, { error: `must have at most ${MAX_CONF_CHARACTERS} characters` }),
    name: text('must be a text').pipe(
      z.string().regex(new RegExp(`^[a-zA-Z0-9._-]{0,${MAX_NAME_CHARACTERS}}$`), {
        error: `must consist of at most ${MAX_NAME_CHARACTERS} letters a to z and A to Z, digits, dots, underscores and hyphens`,
      }),
    ),
    enabled: z.boolean({ error: 'must be true or false' }),
    kind: z
      .enum(['', 'edge'], { error: 'must be empty or "edge"' })
      .nullable()
      .transform((value) => value ?? ''),
    frequency: z
      .enum(['high', 'low'], { error: 'must be "high" or "low"' })
      .nullable()
      .transform((value) => value ?? 'high'),
    max_upload_bytes: maximum(limits.bytes),
    max_upload_interval_seconds: maximum(limits.intervalSeconds),
    max_upload_records: maximum(limits.records),
    filter_attack_traffic: z.literal([false, null], { error: notHere }),
    transformer_id: z.null({ error: notHere }),
    ownership_challenge: z
      .string({ error: 'must be the token from ownership-challenge.txt' })
      .max(MAX_CONF_CHARACTERS, { error: 'is longer than any token' })
      .nullable(),
    start_at: z.iso
      .datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
      .transform((time) => Date.parse(time))
      .nullable(),
    // Shown by responses, so that clients send them back; they change nothing.
    id: ignored,
    last_complete: ignored,
    last_error: ignored,
    error_message: ignored,
  });
  return properties.partial();
}

/** Returns what reads the body of a create or a change. It throws ApiError (400). */
export function jobChangeReader(limits: UploadLimits): (body: unknown) => JobChange {
  const read = bodyReader(bodySchema(limits), 'a job');
  return (body) => toChange(read(body));
}

type Body = z.infer<ReturnType<typeof bodySchema>>;

function toChange(body: Body): JobChange {
  const settings = {
    name: body.name,
    enabled: body.enabled,
    filter: body.filter,
    outputOptions: body.output_options,
    logpullOptions: body.logpull_options,
    frequency: body.frequency,
    maxUploadBytes: body.max_upload_bytes,
    maxUploadIntervalSeconds: body.max_upload_interval_seconds,
    maxUploadRecords: body.max_upload_records,
  };
  return {
    destinationConf: body.destination_conf,
    dataset: body.dataset ?? undefined,
    kind: body.kind,
    ownershipChallenge: body.ownership_challenge ?? undefined,
    startAtMs: body.start_at ?? undefined,
    settings: Object.fromEntries(
      Object.entries(settings).filter(([, value]) => value !== undefined),
    ),
  };
}

/** A job before the properties of its creating request. */
export function newJobSpec(dataset: string, destinationConf: Secret): JobSpec {
  return {
    name: '',
    dataset,
    enabled: false,
    destinationConf,
    filter: '',
    outputOptions: null,
    maxUploadBytes: 0,
    maxUploadRecords: 0,
    maxUploadIntervalSeconds: 0,
    frequency: 'high',
    kind: '',
    logpullOptions: null,
  };
}

/** RFC 3339 in UTC; fractions only where there are any. */
export function timestamp(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString().replace('.000Z', 'Z');
}

/**
 * A job as responses show it. Optional properties that are not set are left out, as Logpush does, so
 * that Terraform finds no difference.
 */
export function showJob({ id, spec, status }: Job, redactedConf: string): Record<string, unknown> {
  return {
    id,
    dataset: spec.dataset,
    name: spec.name,
    ...(spec.logpullOptions === null ? {} : { logpull_options: spec.logpullOptions }),
    ...(spec.outputOptions === null ? {} : { output_options: JSON.parse(spec.outputOptions) }),
    destination_conf: redactedConf,
    enabled: spec.enabled,
    frequency: spec.frequency,
    kind: spec.kind,
    ...(spec.filter === '' ? {} : { filter: spec.filter }),
    ...omitZeros({
      max_upload_bytes: spec.maxUploadBytes,
      max_upload_interval_seconds: spec.maxUploadIntervalSeconds,
      max_upload_records: spec.maxUploadRecords,
    }),
    last_complete: timestamp(status.lastCompleteMs),
    last_error: timestamp(status.lastErrorMs),
    error_message: status.errorMessage,
  };
}

function omitZeros(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== 0));
}
