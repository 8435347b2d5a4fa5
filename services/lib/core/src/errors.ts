/**
 * The closed set of errors that cross a port. Anything else that is thrown is a bug in this program.
 * Messages are written for the person who reads them: what is wrong, and what to do about it.
 */

/** Base of all errors whose message may be shown to a user as it is. */
export abstract class TrailpushError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The log cannot be reached or did not confirm. Worth another try. */
export class LogUnavailableError extends TrailpushError {}

/** The log, or a reader of it, was closed by this process. */
export class LogClosedError extends TrailpushError {}

/** A position that the log no longer holds (`offset < start`) or does not have yet (`offset > end`). */
export class OffsetOutOfRangeError extends TrailpushError {
  readonly partition: number;
  readonly offset: number;
  readonly start: number;
  readonly end: number;

  constructor(at: { partition: number; offset: number; start: number; end: number }) {
    super(
      `offset ${at.offset} of partition ${at.partition} is outside the log, which holds ${at.start} to ${at.end}`,
    );
    this.partition = at.partition;
    this.offset = at.offset;
    this.start = at.start;
    this.end = at.end;
  }
}

/** A record that the log cannot take; `index` is its place in the call to `append`. */
export class RecordTooLargeError extends TrailpushError {
  readonly index: number;

  constructor(index: number, message: string) {
    super(message);
    this.index = index;
  }
}

/** The database cannot be reached, is full or did not confirm. Worth another try. */
export class StoreUnavailableError extends TrailpushError {}

/** A query that cannot be answered as a whole. The message says what to narrow. */
export class QueryTooLargeError extends TrailpushError {}

/** The stored revision is not the one that the change was made against. */
export class RevisionConflictError extends TrailpushError {}

/** Too many audit events wait for the log, so that nothing more can be changed. */
export class OutboxFullError extends TrailpushError {}

/** The proof of ownership was used before. */
export class ChallengeSpentError extends TrailpushError {}

/** A destination_conf that cannot be accepted. The message names the parameter, never a secret value. */
export class InvalidDestinationError extends TrailpushError {}

/** A filter or an output option that cannot be accepted. `pointer` is a JSON pointer into it. */
export class InvalidJobError extends TrailpushError {
  readonly pointer: string;

  constructor(pointer: string, message: string) {
    super(message);
    this.pointer = pointer;
  }
}

/** Why a record became a dead letter; also the label of the metric, so the set is closed. */
export type DeadLetterReason =
  | 'missing_key'
  | 'too_large'
  | 'not_avro'
  | 'unknown_schema'
  | 'incompatible_schema'
  | 'account_mismatch'
  | 'body_not_json'
  | 'body_too_deep'
  | 'time_out_of_range'
  | 'refused_by_destination';

/** A record that can never be delivered. It is set aside with this reason, and delivery goes on. */
export class UndecodableRecordError extends TrailpushError {
  readonly reason: DeadLetterReason;

  constructor(reason: DeadLetterReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A setting that is missing or malformed. Ends the program with exit code 2 and this one line. */
export class ConfigError extends TrailpushError {}

/** What an error says, for logs and answers; never a stack. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // `fetch` says what went wrong in the cause alone, and Node of several addresses only by code.
  if (error.message === 'fetch failed' && error.cause) return messageOf(error.cause);
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}
