import {
  ChallengeSpentError,
  InvalidDestinationError,
  InvalidJobError,
  LogClosedError,
  LogUnavailableError,
  OutboxFullError,
  QueryTooLargeError,
  RevisionConflictError,
  StoreUnavailableError,
} from '@trailpush/core';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';

/** Error codes as Cloudflare's API uses them; `unavailable`, `rateLimited`, `notice` and `internal` are our own. */
export const CODE = {
  notFound: 1000,
  invalid: 1002,
  notAllowed: 1004,
  unavailable: 1005,
  rateLimited: 1015,
  notice: 1100,
  noRoute: 7000,
  badIdentifier: 7003,
  authentication: 10_000,
  internal: 10_001,
} as const;

export interface ErrorItem {
  readonly code: number;
  readonly message: string;
  /** A JSON pointer into the request body. */
  readonly source?: { readonly pointer: string };
}

export interface Envelope<Result> {
  readonly errors: readonly ErrorItem[];
  readonly messages: readonly { readonly code: number; readonly message: string }[];
  readonly success: boolean;
  readonly result: Result;
}

/** A successful answer. `notices` are sentences for the person behind the client. */
export function ok<Result>(result: Result, notices: readonly string[] = []): Envelope<Result> {
  const messages = notices.map((message) => ({ code: CODE.notice, message }));
  return { errors: [], messages, success: true, result };
}

export function failed<Result>(errors: readonly ErrorItem[], result: Result): Envelope<Result> {
  return { errors, messages: [], success: false, result };
}

/** Ends a request with this status and these errors in the envelope. */
export class ApiError extends Error {
  readonly status: number;
  readonly items: readonly ErrorItem[];

  constructor(status: number, items: readonly [ErrorItem, ...ErrorItem[]]) {
    super(items[0].message);
    this.status = status;
    this.items = items;
  }
}

/** 400 for one property of the body. */
export function invalidProperty(property: string, message: string): ApiError {
  const source = { pointer: `/${property}` };
  return new ApiError(400, [{ code: CODE.invalid, message, source }]);
}

const AUTHENTICATION_ERROR = { code: CODE.authentication, message: 'Authentication error' };

/** 415 with what is accepted instead. */
export function unsupportedMedia(message: string): ApiError {
  return new ApiError(415, [{ code: CODE.invalid, message }]);
}

/** The same answer whatever was wrong with the credentials. */
export function authenticationError(): ApiError {
  return new ApiError(401, [AUTHENTICATION_ERROR]);
}

/** Seconds after which a client may try again what failed for no fault of its own. */
const RETRY_AFTER_SECONDS = 2;

/** Maps what handlers throw to an answer; anything unexpected is logged and hidden. */
export async function sendError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const answer = toApiError(error);
  if (answer === undefined) {
    request.log.error({ error, route: request.routeOptions.url }, 'a request failed unexpectedly');
    const message = 'internal error; the log of the server says more';
    return reply.code(500).send(failed([{ code: CODE.internal, message }], null));
  }
  if (answer.status === 401) void reply.header('www-authenticate', 'Bearer');
  const isTemporary = answer.status === 503 || answer.status === 429;
  if (isTemporary && !reply.hasHeader('retry-after')) {
    void reply.header('retry-after', RETRY_AFTER_SECONDS);
  }
  return reply.code(answer.status).send(failed(answer.items, null));
}

function toApiError(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (error instanceof InvalidJobError) {
    const source = { pointer: error.pointer };
    return new ApiError(400, [{ code: CODE.invalid, message: error.message, source }]);
  }
  if (error instanceof QueryTooLargeError) {
    return new ApiError(400, [{ code: CODE.invalid, message: error.message }]);
  }
  if (error instanceof ChallengeSpentError) {
    return invalidProperty('ownership_challenge', error.message);
  }
  if (error instanceof InvalidDestinationError) {
    return invalidProperty('destination_conf', error.message);
  }
  if (error instanceof RevisionConflictError) {
    const message = 'the job was changed by others at the same time: read it and try again';
    return new ApiError(409, [{ code: CODE.invalid, message }]);
  }
  if (
    error instanceof LogUnavailableError ||
    error instanceof LogClosedError ||
    error instanceof OutboxFullError ||
    error instanceof StoreUnavailableError
  ) {
    return new ApiError(503, [{ code: CODE.unavailable, message: error.message }]);
  }
  return fromFastify(error);
}

/** Fastify's own refusals, such as a body that is too large. */
function fromFastify(error: unknown): ApiError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { statusCode, message } = error as FastifyError;
  if (statusCode === undefined || statusCode < 400 || statusCode > 499) return undefined;
  return new ApiError(statusCode, [{ code: CODE.invalid, message }]);
}

/** Answers paths that no route serves. */
export async function sendNoRoute(
  _request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const message = 'No route for the URI';
  return reply.code(404).send(failed([{ code: CODE.noRoute, message }], null));
}
