import { pino, stdTimeFunctions, type Logger as PinoLogger } from 'pino';
import pinoPretty from 'pino-pretty';

import type { Config } from './config.ts';
import { redactText } from './redact.ts';

/** Fits the `Logger` port of the core, and fastify. */
export type RootLogger = PinoLogger;

export interface LoggerOptions {
  readonly level: Config['logLevel'];
  /** Where lines go. Coloured text when it is a terminal, else one JSON object a line. */
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/**
 * The program's logger. Writes are synchronous, so that the last line before an exit is not lost.
 * Errors under any field name are written as type, message and causes, with stacks only at level
 * debug; a `Secret` prints as REDACTED, and URLs in texts lose passwords and query strings.
 */
export function createLogger({ level, stream }: LoggerOptions): RootLogger {
  const withStacks = level === 'debug';
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => cleanFields(fields, withStacks),
    },
    // The formatter above has done it; pino's own serializer would put the stack back.
    serializers: { err: (error: unknown) => error },
  };
  return stream.isTTY === true
    ? pino(options, pinoPretty({ destination: stream, sync: true, ignore: 'pid,hostname' }))
    : pino(options, stream);
}

function cleanFields(
  fields: Readonly<Record<string, unknown>>,
  withStacks: boolean,
): Record<string, unknown> {
  const cleaned: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) cleaned[name] = describeError(value, withStacks);
    else cleaned[name] = typeof value === 'string' ? redactText(value) : value;
  }
  return cleaned;
}

export interface ErrorDescription {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: ErrorDescription;
}

const MAX_CAUSES = 4;

/** Never the error's own properties: clients of other systems hang requests and credentials there. */
export function describeError(
  error: Error,
  withStacks: boolean,
  causes: number = MAX_CAUSES,
): ErrorDescription {
  const code: unknown = (error as NodeJS.ErrnoException).code;
  return {
    type: error.name,
    message: redactText(error.message),
    ...(typeof code === 'string' ? { code } : {}),
    ...(withStacks && error.stack !== undefined ? { stack: redactText(error.stack) } : {}),
    ...(error.cause instanceof Error && causes > 0
      ? { cause: describeError(error.cause, withStacks, causes - 1) }
      : {}),
  };
}
