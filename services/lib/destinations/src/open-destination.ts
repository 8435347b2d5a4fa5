import { type AttemptResult, type Clock, type Destination, messageOf } from '@trailpush/core';

import type { DestinationDeps, OpenableDestination, Outcome, Upload, Uploader } from './kind.ts';
import { createProbe } from './probe.ts';
import { createScrubber } from './scrub.ts';
import { TransportError } from './transport-error.ts';
import { faultOf, LOGPUSH_CODES } from './verdict.ts';

/** Somebody waits for its answer. */
const PROBE_DEADLINE_MS = 120_000;
/** R2 takes one write a second to a key: a second probe soon after the first is made once more. */
const PROBE_PATIENCE_MS = 2_000;

/**
 * Opens a destination for one job. Whatever the kind, an attempt ends within its deadline, never
 * throws, and its message is in Logpush's wording, free of the conf's secrets.
 */
export function openDestination(parsed: OpenableDestination, deps: DestinationDeps): Destination {
  return new OpenDestination(parsed, parsed.open(deps), deps);
}

/** One attempt of something that is no object of a job, and no probe. */
export async function putOnce(
  parsed: OpenableDestination,
  upload: Upload,
  deps: DestinationDeps,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const destination = new OpenDestination(parsed, parsed.open(deps), deps);
  try {
    return await destination.put(upload, signal);
  } finally {
    await destination.close();
  }
}

class OpenDestination implements Destination {
  readonly #kind: string;
  readonly #pathTemplate: string;
  readonly #uploader: Uploader;
  readonly #clock: Clock;
  readonly #scrub: (text: string) => string;
  readonly #closing = new AbortController();

  constructor(parsed: OpenableDestination, uploader: Uploader, deps: DestinationDeps) {
    this.#kind = parsed.kind;
    this.#pathTemplate = parsed.pathTemplate;
    this.#uploader = uploader;
    this.#clock = deps.clock;
    this.#scrub = createScrubber(parsed.secrets);
  }

  put(object: Upload, signal: AbortSignal): Promise<AttemptResult> {
    return this.#attempt(object, this.#uploader.deadlineMs, signal);
  }

  async probe(signal: AbortSignal): Promise<AttemptResult> {
    const deadlineMs = Math.min(this.#uploader.deadlineMs, PROBE_DEADLINE_MS);
    const probe = createProbe(this.#pathTemplate);
    const first = await this.#attempt(probe, deadlineMs, signal);
    if (first.verdict.kind !== 'throttled' || first.verdict.retryAfterMs > PROBE_PATIENCE_MS) {
      return first;
    }
    try {
      await this.#clock.sleep(first.verdict.retryAfterMs, signal);
    } catch {
      return first;
    }
    return this.#attempt(probe, deadlineMs, signal);
  }

  async #attempt(upload: Upload, deadlineMs: number, signal: AbortSignal): Promise<AttemptResult> {
    const deadline = new AbortController();
    const ended = AbortSignal.any([signal, deadline.signal, this.#closing.signal]);
    const timer = new AbortController();
    this.#clock.sleep(deadlineMs, timer.signal).then(
      () => deadline.abort(new TransportError('deadline', `not done within ${deadlineMs} ms`)),
      () => undefined,
    );
    try {
      ended.throwIfAborted();
      return this.#resultOf(await this.#uploader.upload(upload, ended));
    } catch (error) {
      // Libraries report an abort in their own ways; the signal knows the reason.
      return this.#resultOfError(ended.aborted ? ended.reason : error);
    } finally {
      timer.abort();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new TransportError('closed', 'the destination was closed'));
    await this.#uploader.close();
  }

  #resultOf(outcome: Outcome): AttemptResult {
    const status = outcome.status === undefined ? {} : { status: outcome.status };
    if (outcome.kind === 'delivered') return { verdict: { kind: 'delivered' }, ...status };
    const words = [
      this.#scrub(outcome.answer ?? ''),
      outcome.hint === undefined ? '' : `(${outcome.hint})`,
    ];
    const message = this.#message(outcome.status ?? LOGPUSH_CODES.RequestError, words);
    return { verdict: outcome.verdict, ...status, message };
  }

  #resultOfError(error: unknown): AttemptResult {
    const code = codeOf(error);
    const { verdict, type, words } = faultOf(code);
    // Messages of Node may quote inner addresses and paths; ours do not.
    const own = error instanceof TransportError ? this.#scrub(messageOf(error)) : words;
    const known = own === '' ? this.#scrub(messageOf(error)) : own;
    const suffix = code === undefined || error instanceof TransportError ? '' : `(${code})`;
    const healthCode = LOGPUSH_CODES[type];
    const message = this.#message(healthCode, [`${type}:`, known, suffix]);
    return { verdict: { kind: verdict }, healthCode, message };
  }

  #message(code: number, words: readonly string[]): string {
    const text = [String(code), ...words].filter((word) => word !== '').join(' ');
    return `error ${code}: error pushing: error uploading to ${this.#kind}: ${text}`;
  }
}

/** The code of the innermost error that has one; connecting to several addresses gives several errors. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof AggregateError && error.errors.length > 0) {
    return codeOf((error.errors as unknown[])[0]);
  }
  if ('code' in error && typeof error.code === 'string') return error.code;
  return codeOf(error.cause);
}
