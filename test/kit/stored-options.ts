import type { JobContent } from '@trailpush/core';

/** output_options as the API takes them. */
export interface RawOptions {
  readonly output_type?: 'ndjson' | 'csv';
  readonly field_names?: readonly string[];
  readonly timestamp_format?: string;
  readonly sample_rate?: number;
  readonly batch_prefix?: string;
  readonly batch_suffix?: string;
  readonly record_prefix?: string;
  readonly record_suffix?: string;
  readonly record_delimiter?: string;
  readonly field_delimiter?: string;
  readonly record_template?: string;
  readonly 'CVE-2021-44228'?: boolean;
}

/** Options as a job stores them; any JSON value, for those that are to be refused. */
export function storedOptions(
  options: unknown,
): Pick<JobContent, 'outputOptions' | 'logpullOptions'> {
  return { outputOptions: JSON.stringify(options), logpullOptions: null };
}

/** A job that says nothing about its output. */
export const DEFAULT_OPTIONS = { outputOptions: null, logpullOptions: null };
