import type { DeadLetterQuery, DeadLetterSummary } from '@trailpush/core';

import { invalidParameter, Parameters } from './audit/parameters.ts';

/** A dead letter as it is listed. What is in the record is shown to operators alone. */
export interface ShownDeadLetter {
  readonly id: number;
  readonly account_id: string | null;
  /** Null: the record itself is bad for everybody. */
  readonly job_id: number | null;
  readonly reason: string;
  readonly message: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Of its value; null when it has none. */
  readonly bytes: number | null;
  /** When the log took the record. */
  readonly logged_on: string;
  readonly set_aside_on: string;
  readonly resent_on: string | null;
}

const DEFAULT_LETTERS = 100;
const MAX_LETTERS = 1000;
const NAMES = new Set(['job_id', 'reason', 'before', 'limit']);
const OPERATOR_NAMES = new Set([...NAMES, 'account_id']);

export function showDeadLetter(letter: DeadLetterSummary): ShownDeadLetter {
  return {
    id: letter.id,
    account_id: letter.accountId,
    job_id: letter.jobId,
    reason: letter.reason,
    message: letter.message,
    topic: letter.topic,
    partition: letter.partition,
    offset: letter.offset,
    bytes: letter.valueBytes,
    logged_on: new Date(letter.timestampMs).toISOString(),
    set_aside_on: new Date(letter.seenAtMs).toISOString(),
    resent_on: letter.resentAtMs === null ? null : new Date(letter.resentAtMs).toISOString(),
  };
}

/** What an account asks for. @throws ApiError 400 that names the parameter */
export function readDeadLetterQuery(url: string, accountId: string): DeadLetterQuery {
  return queryOf(new Parameters(url, NAMES), accountId);
}

/** What an operator asks for, who may name an account. @throws ApiError 400 that names the parameter */
export function readOperatorQuery(url: string): DeadLetterQuery {
  const parameters = new Parameters(url, OPERATOR_NAMES);
  return queryOf(parameters, parameters.one('account_id') ?? null);
}

function queryOf(parameters: Parameters, accountId: string | null): DeadLetterQuery {
  const bounds = { min: 1, max: MAX_LETTERS, otherwise: DEFAULT_LETTERS };
  const limit = parameters.wholeNumber('limit', bounds);
  const jobId = idOf(parameters, 'job_id');
  const before = idOf(parameters, 'before');
  const reason = parameters.one('reason');
  return {
    ...{ accountId, limit },
    ...(jobId === undefined ? {} : { jobId }),
    ...(reason === undefined ? {} : { reason }),
    ...(before === undefined ? {} : { before }),
  };
}

function idOf(parameters: Parameters, name: string): number | undefined {
  const text = parameters.one(name);
  if (text === undefined) return undefined;
  const id = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(id)) return id;
  throw invalidParameter(name, 'must be an id, which is a whole number');
}
