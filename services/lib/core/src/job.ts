import type { ReplayOrder } from './replay.ts';
import type { Secret } from './secret.ts';

/** How timestamps are written in a line; see `Logpush` output options. */
export const TIMESTAMP_FORMATS = ['unixnano', 'unix', 'rfc3339', 'rfc3339ms', 'rfc3339ns'] as const;
export type TimestampFormat = (typeof TIMESTAMP_FORMATS)[number];

/** The output options that shape a line. Undefined members take the dataset's defaults. */
export interface OutputOptions {
  /** Order of the array is order in the line. */
  readonly fieldNames: readonly string[];
  readonly timestampFormat: TimestampFormat;
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
  readonly logpullOptions: string | null;
}

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
  /** Grows only when dataset, filter or output options change; plans are bound to it. */
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
