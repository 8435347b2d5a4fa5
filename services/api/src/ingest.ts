import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';

import { LogClosedError, LogUnavailableError, type RecordLog, type Tenant } from '@trailpush/core';
import {
  EventProducer,
  readLines,
  type EncodedLine,
  type LineEncoder,
  type LineError,
} from '@trailpush/datasets';
import type { Metrics } from '@trailpush/runtime';
import type { FastifyInstance, FastifyReply } from 'fastify';

import {
  accountOf,
  authorize,
  isAllowed,
  lacking,
  organizationOf,
  principalOf,
  type Principal,
} from './auth.ts';
import { ByteBudget } from './byte-budget.ts';
import { ApiError, CODE, failed, ok, unsupportedMedia } from './envelope.ts';
import { readBody } from './ingest-body.ts';

export interface IngestDeps {
  readonly log: Pick<RecordLog, 'append'>;
  readonly encoder: Pick<LineEncoder, 'encodeLine'>;
  readonly metrics: Pick<Metrics['serving'], 'ingestLines'>;
  /** Of one line and of one record (`TRAILPUSH_MAX_RECORD_BYTES`). */
  readonly maxRecordBytes: number;
}

const MIB = 1024 * 1024;
const MAX_BODY_BYTES = 32 * MIB;
/** Of all requests that are being read or wait for the log. */
const IN_FLIGHT_BYTES = 64 * MIB;
const MAX_LINES = 100_000;
const MAX_LISTED_ERRORS = 100;

const MEDIA_TYPES = [
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/json',
  'application/octet-stream',
  'text/plain',
];

const PERMISSION = 'Audit Logs Write';

/** What became of the lines of one body; `errors` are the first of those rejected. */
interface Intake {
  readonly accepted: number;
  readonly rejected: number;
  readonly errors: readonly LineError[];
}

/** `POST /events`: NDJSON in, 202 when the log has every good line durably. */
export function registerIngestRoute(app: FastifyInstance, deps: IngestDeps): void {
  const maxBytes = Math.max(MAX_BODY_BYTES, deps.maxRecordBytes);
  const budget = new ByteBudget(Math.max(IN_FLIGHT_BYTES, 2 * maxBytes));
  const limits = { maxBytes, maxLines: MAX_LINES, budget };

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(MEDIA_TYPES, async (_request: unknown, body: Readable) => body);
  app.addContentTypeParser('*', async () => {
    throw unsupportedMedia(
      'send one JSON event a line with the header Content-Type: application/x-ndjson',
    );
  });

  app.post<{ Body: Readable | undefined }>('/events', async (request, reply) => {
    const { body } = request;
    const principal = principalOf(request);
    // A token that may write nothing is told so at once; of others, each line is judged by its tenant.
    if (!principal.permissions.includes(PERMISSION))
      authorize(request, firstOf(principal), PERMISSION);
    if (body === undefined)
      return sendIntake(reply, { accepted: 0, rejected: 0, errors: [] }, false);
    // The whole body first: of one that is refused, nothing is in the log.
    const { chunks, giveBack } = await readBody(Object.assign(request, { body }), limits);
    try {
      const encoder = new TenantGuard(deps.encoder, principal);
      const intake = await takeIn(chunks, { ...deps, encoder });
      deps.metrics.ingestLines.inc({ result: 'accepted' }, intake.accepted);
      deps.metrics.ingestLines.inc({ result: 'rejected' }, intake.rejected);
      return await sendIntake(reply, intake, encoder.refused === intake.rejected);
    } finally {
      giveBack();
    }
  });
}

/** @throws ApiError 503 when the log did not confirm; it may have some of the lines. */
async function takeIn(
  chunks: readonly Buffer[],
  { log, encoder, maxRecordBytes }: IngestDeps,
): Promise<Intake> {
  const producer = new EventProducer({ log, encoder, maxLineBytes: maxRecordBytes });
  const errors: LineError[] = [];
  try {
    for await (const error of producer.produce(readLines(inTurns(chunks), maxRecordBytes))) {
      if (errors.length < MAX_LISTED_ERRORS) errors.push(error);
    }
  } catch (error) {
    if (error instanceof LogUnavailableError || error instanceof LogClosedError) {
      throw notAcknowledged(error);
    }
    throw error;
  }
  const { accepted, rejected } = producer;
  return { accepted, rejected, errors: errors.toSorted((a, b) => a.line - b.line) };
}

/** Refuses the lines of tenants that the token may not write for. */
class TenantGuard {
  readonly #encoder: IngestDeps['encoder'];
  readonly #principal: Principal;
  refused = 0;

  constructor(encoder: IngestDeps['encoder'], principal: Principal) {
    this.#encoder = encoder;
    this.#principal = principal;
  }

  encodeLine(line: Uint8Array): EncodedLine {
    const encoded = this.#encoder.encodeLine(line);
    if (!encoded.ok || isAllowed(this.#principal, encoded.tenant, PERMISSION)) return encoded;
    this.refused++;
    return { ok: false, reason: lacking(encoded.tenant, [PERMISSION]) };
  }
}

function firstOf({ accountIds, organizationIds }: Principal): Tenant | null {
  const [account] = accountIds ?? [];
  if (account !== undefined) return accountOf(account);
  const [organization] = organizationIds;
  return organization === undefined ? null : organizationOf(organization);
}

/** Other requests have their turn between chunks: a large body of bad lines never waits for the log. */
async function* inTurns(chunks: readonly Buffer[]): AsyncGenerator<Buffer, void, void> {
  for (const chunk of chunks) {
    yield chunk;
    await setImmediate();
  }
}

function notAcknowledged(error: Error): ApiError {
  const message = `nothing was acknowledged, as the log is unavailable: ${error.message}; send the same lines again`;
  return new ApiError(503, [{ code: CODE.unavailable, message }]);
}

async function sendIntake(
  reply: FastifyReply,
  { accepted, rejected, errors }: Intake,
  isForbidden: boolean,
): Promise<FastifyReply> {
  const result = { accepted, rejected, errors, errors_omitted: rejected - errors.length };
  if (accepted > 0) return reply.code(202).send(ok(result));
  const [first] = errors;
  if (first === undefined) {
    const message = 'the body has no lines: send one JSON event a line';
    return reply.code(400).send(failed([{ code: CODE.invalid, message }], result));
  }
  if (isForbidden) {
    const message = `Authentication error: none of the ${rejected} lines was taken; line ${first.line}: ${first.reason}`;
    return reply.code(403).send(failed([{ code: CODE.authentication, message }], result));
  }
  const message = `none of the ${rejected} lines is an event; line ${first.line}: ${first.reason}`;
  return reply.code(400).send(failed([{ code: CODE.invalid, message }], result));
}
