import type { Secret } from './secret.ts';

/** One closed batch as it is sent. Immutable: every attempt sends the same one. */
export interface ObjectToPut {
  /** Whole key below the bucket or root: `<path>/<start>_<end>_<8 hex>.log.gz`. POST kinds do not use it. */
  readonly key: string;
  /** The same for every attempt of this object, whichever process makes it. */
  readonly idempotencyKey: string;
  /** gzip, in pieces; `bodyBytes` is their sum. */
  readonly body: readonly Uint8Array[];
  readonly bodyBytes: number;
  /** Media type of the uncompressed lines. */
  readonly contentType: string;
  readonly metadata: ObjectMetadata;
}

/** What an object says about itself, as object metadata or headers. */
export interface ObjectMetadata {
  readonly jobId: number;
  /** Set for an object of a replay. */
  readonly replayId?: number;
  readonly topic: string;
  readonly partition: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly records: number;
}

/**
 * What to do after one attempt. Success needs positive evidence; silence and doubt are `retry`.
 * - `delivered`: the destination confirmed the whole object.
 * - `retry`: try again with back-off, without limit.
 * - `throttled`: as retry, and not before `retryAfterMs` (clamped to 1 s .. 1 h).
 * - `refused`: a person must act (credentials, configuration): hold, keep probing slowly.
 * - `too_large`, `rejected`: this body was refused as such (413; 400 and 422). Only POST kinds say so.
 */
export type Verdict =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry' }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number }
  | { readonly kind: 'refused' }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'rejected' };

export interface AttemptResult {
  readonly verdict: Verdict;
  /** HTTP status, when there was an answer. */
  readonly status?: number;
  /** Logpush's health code (1101 and on), when there was no answer. */
  readonly healthCode?: number;
  /**
   * For everything but `delivered`: one sentence in the wording of Logpush's `error_message`, with the
   * receiver's own words cut, cleaned and free of secrets.
   */
  readonly message?: string;
}

/** A destination that is open for one job. Safe for concurrent puts of different keys. */
export interface Destination {
  /**
   * One attempt, all or nothing, inside a deadline of its own. Never throws for what happens outside;
   * an abort by `signal` gives `retry`.
   */
  put(object: ObjectToPut, signal: AbortSignal): Promise<AttemptResult>;
  /**
   * Sends Logpush's test upload, the gzip of `{"content":"tests"}`: object stores make one small object
   * below the job's folder, always under the same key, and receivers get a POST. Judged as a put is,
   * inside 2 minutes at most.
   */
  probe(signal: AbortSignal): Promise<AttemptResult>;
  close(): Promise<void>;
}

/** A parsed destination_conf. Only `parse` of its kind makes one. */
export interface ParsedDestination {
  readonly kind: string;
  /**
   * Where objects lie, without path, credentials or options: two confs with one location and one key
   * name the same object. Shown in logs and answers.
   */
  readonly location: string;
  /** Folder of the objects, without slashes at its ends, macros unexpanded; empty for POST kinds. */
  readonly pathTemplate: string;
  /** True when an object that is sent again replaces itself. */
  readonly exactlyOnce: boolean;
  /** The values that must appear nowhere. */
  readonly secrets: readonly Secret[];
  /** The most that the vendor takes at once, where it says so. */
  readonly maxima?: ObjectMaxima | undefined;
}

/** Limits of one object, beside those of the job. */
export interface ObjectMaxima {
  /** Uncompressed. */
  readonly payloadBytes: number;
  readonly records: number;
}
