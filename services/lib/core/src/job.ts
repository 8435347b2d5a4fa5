import type { ReplayOrder } from './replay.ts';
import type { Secret } from './secret.ts';

/** How timestamps are written in a line; see `Logpush` output options. */
export const TIMESTAMP_FORMATS = ['unixnano', 'unix', 'rfc3339', 'rfc3339ms', 'rfc3339ns'] as const;
export type TimestampFormat = (typeof TIMESTAMP_FORMATS)[number];

/** What a batch of lines is: sets how values are quoted, and the defaults of what stands around them. */
export const OUTPUT_TYPES = ['ndjson', 'csv'] as const;
export type OutputType = (typeof OUTPUT_TYPES)[number];

/** A constant text, or the value of a field as `outputType` writes it. */
export type LinePart = { readonly text: string } | { readonly field: string };

/** What shapes one line. Options that ask for the same bytes are equal, so that jobs can share lines. */
export interface LineOptions {
  readonly outputType: OutputType;
  /** The whole record, prefix and suffix included. */
  readonly parts: readonly LinePart[];
  readonly timestampFormat: TimestampFormat;
  /** `CVE-2021-44228`: every `${` becomes `x{`, so that no consumer's logger looks anything up. */
  readonly defusesLookups: boolean;
}

/** What a batch has besides its lines. */
export interface BatchFrame {
  readonly prefix: string;
  /** Between two lines. */
  readonly delimiter: string;
  readonly suffix: string;
  /** What all of it is called where a job does not say otherwise. */
  readonly contentType: string;
  /** As in `LineOptions`, also where two pieces meet. */
  readonly defusesLookups: boolean;
}

export interface OutputOptions {
  readonly line: LineOptions;
  readonly frame: BatchFrame;
  /** Share of the events that are delivered, above 0 up to 1. */
  readonly sampleRate: number;
}

/**
 * A customer's order as it is stored: one immutable revision. Names of the public API
 * (`destination_conf`, `max_upload_bytes`, ...) exist only in the API service, which maps them to these.
 */
export interface JobSpec {
  readonly name: string;
  readonly dataset: string;
  readonly enabled: boolean;
  /** The whole destination_conf with its secrets; `<scheme>://<address>[?params]`. */
  readonly destinationConf: Secret;
  /** Logpush filter JSON exactly as received; empty means none. */
  readonly filter: string;
  /** output_options exactly as received (JSON text), or null when none were given. */
  readonly outputOptions: string | null;
  /** Maxima of a batch; 0 means the default. */
  readonly maxUploadBytes: number;
  readonly maxUploadRecords: number;
  readonly maxUploadIntervalSeconds: number;
  /** Accepted and echoed for old clients; `high` or `low`. */
  readonly frequency: string;
  readonly kind: string;
  /** The older form of output_options, exactly as received; without effect beside those. */
  readonly logpullOptions: string | null;
}

/** What decides which bytes a job delivers; a content revision of it never changes. */
export type JobContent = Pick<JobSpec, 'dataset' | 'filter' | 'outputOptions' | 'logpullOptions'>;

/** What the API shows of a job's health. */
export interface JobStatus {
  /** Largest broker time that is known to be delivered, milliseconds since the epoch. */
  readonly lastCompleteMs: number | null;
  /** Set while the job fails; null again after a success. */
  readonly lastErrorMs: number | null;
  readonly errorMessage: string | null;
}

export interface Job {
  readonly id: number;
  readonly accountId: string;
  /** Grows with every change. */
  readonly revision: number;
  /** Grows only when its `JobContent` changes; plans are bound to it. */
  readonly contentRevision: number;
  /** True once it was enabled: it then has a place in the log, and is served or kept there. */
  readonly wasEnabled: boolean;
  /** Set for a replay, which only batchers see as a job. */
  readonly replay?: ReplayOrder;
  readonly spec: JobSpec;
  readonly status: JobStatus;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}
