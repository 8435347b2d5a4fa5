import type { Readable } from 'node:stream';

import {
  LogClosedError,
  LogUnavailableError,
  RecordTooLargeError,
  type AppendRecord,
  type RecordLog,
} from '@trailpush/core';
import type { Metrics } from '@trailpush/runtime';
import type { FastifyInstance, FastifyReply } from 'fastify';

import { ByteBudget } from './byte-budget.ts';
import { ApiError, CODE, failed, ok, unsupportedMedia } from './envelope.ts';
import { readBody } from './ingest-body.ts';
import { LineSplitter } from './line-splitter.ts';

/** Turns lines of JSON, in the shape of the audit API's items, into records of the log. */
export interface LineEncoder {
  /** `reason` says what is wrong with the line, for its producer. */
  encodeLine(
    line: Uint8Array,
  ):
    | { readonly ok: true; readonly record: AppendRecord }
    | { readonly ok: false; readonly reason: string };
}

export interface IngestDeps {
  readonly log: Pick<RecordLog, 'append'>;
  readonly encoder: LineEncoder;
  readonly metrics: Pick<Metrics['serving'], 'ingestLines'>;
  /** Of one line and of one record (`TRAILPUSH_MAX_RECORD_BYTES`). */
  readonly maxRecordBytes: number;
}

const MIB = 1024 * 1024;
const MAX_BODY_BYTES = 32 * MIB;
/** Of all requests that are being read or wait for the log. */
const IN_FLIGHT_BYTES = 64 * MIB;
/** Many tiny lines cost more time than their bytes tell. */
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

interface LineError {
  readonly line: number;
  readonly reason: string;
}

/** What became of the lines of one body. */
interface Intake {
  readonly records: AppendRecord[];
  /** Line number of each record. */
  readonly lines: number[];
  rejected: number;
  /** The first of them. */
  readonly errors: LineError[];
}

/** `POST /events`: NDJSON in, 202 when the log has every good line durably. */
export function registerIngestRoute(app: FastifyInstance, deps: IngestDeps): void {
  const maxBytes = Math.max(MAX_BODY_BYTES, deps.maxRecordBytes);
  const limits = { maxBytes, budget: new ByteBudget(Math.max(IN_FLIGHT_BYTES, 2 * maxBytes)) };

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(MEDIA_TYPES, async (_request: unknown, body: Readable) => body);
  app.addContentTypeParser('*', async () => {
    throw unsupportedMedia(
      'send one JSON event a line with the header Content-Type: application/x-ndjson',
    );
  });

  app.post<{ Body: Readable | undefined }>('/events', async (request, reply) => {
    const { body } = request;
    const intake: Intake = { records: [], lines: [], rejected: 0, errors: [] };
    if (body === undefined) return sendResult(reply, intake, deps);
    const splitter = new LineSplitter(deps.maxRecordBytes, (line, bytes) => {
      takeLine(intake, line, bytes, deps);
    });
    const giveBack = await readBody(Object.assign(request, { body }), limits, (chunk) => {
      splitter.push(chunk);
      if (splitter.lines > MAX_LINES) throw tooManyLines();
    });
    try {
      splitter.end();
      await appendAll(intake, deps.log);
    } finally {
      giveBack();
    }
    return sendResult(reply, intake, deps);
  });
}

function tooManyLines(): ApiError {
  const message = `the body has more than ${MAX_LINES} lines: send it in parts`;
  return new ApiError(413, [{ code: CODE.invalid, message }]);
}

function takeLine(
  intake: Intake,
  line: number,
  bytes: Buffer | undefined,
  { encoder, maxRecordBytes }: IngestDeps,
): void {
  if (bytes === undefined) {
    reject(intake, line, `the line has more than ${maxRecordBytes} bytes`);
    return;
  }
  const encoded = encoder.encodeLine(bytes);
  if (!encoded.ok) {
    reject(intake, line, encoded.reason);
  } else if (encoded.record.value.length > maxRecordBytes) {
    reject(intake, line, `the event takes more than ${maxRecordBytes} bytes`);
  } else {
    intake.records.push(encoded.record);
    intake.lines.push(line);
  }
}

function reject(intake: Intake, line: number, reason: string): void {
  intake.rejected += 1;
  if (intake.errors.length < MAX_LISTED_ERRORS) intake.errors.push({ line, reason });
}

/** Appends what the log can take; a record that is too large for it becomes a bad line. */
async function appendAll(intake: Intake, log: IngestDeps['log']): Promise<void> {
  while (intake.records.length > 0) {
    try {
      await log.append(intake.records);
      return;
    } catch (error) {
      if (error instanceof LogUnavailableError || error instanceof LogClosedError) {
        throw notAcknowledged(error);
      }
      if (!(error instanceof RecordTooLargeError)) throw error;
      // Nothing of the call was appended, and each turn takes one record out.
      intake.records.splice(error.index, 1);
      const [line] = intake.lines.splice(error.index, 1);
      reject(intake, line ?? 0, error.message);
    }
  }
}

function notAcknowledged(error: Error): ApiError {
  const message = `nothing was acknowledged, as the log is unavailable: ${error.message}; send the same lines again`;
  return new ApiError(503, [{ code: CODE.unavailable, message }]);
}

async function sendResult(
  reply: FastifyReply,
  intake: Intake,
  { metrics }: IngestDeps,
): Promise<FastifyReply> {
  const accepted = intake.records.length;
  const { rejected, errors } = intake;
  metrics.ingestLines.inc({ result: 'accepted' }, accepted);
  metrics.ingestLines.inc({ result: 'rejected' }, rejected);
  const sorted = errors.toSorted((a, b) => a.line - b.line);
  const result = { accepted, rejected, errors: sorted, errors_omitted: rejected - errors.length };
  if (accepted > 0) return reply.code(202).send(ok(result));
  const [first] = sorted;
  const message = first
    ? `none of the ${rejected} lines is an event; line ${first.line}: ${first.reason}`
    : 'the body has no lines: send one JSON event a line';
  return reply.code(400).send(failed([{ code: CODE.invalid, message }], result));
}
