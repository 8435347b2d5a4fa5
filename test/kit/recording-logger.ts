import type { Logger } from '@trailpush/core';

export interface LoggedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

/** A logger that keeps what it is told and prints nothing. Children write into the same list. */
export function createRecordingLogger(): { readonly logger: Logger; readonly lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const loggerWith = (bound: object): Logger => {
    const write = (level: LoggedLine['level']) => (fields: object, message: string) =>
      void lines.push({ level, fields: { ...bound, ...fields }, message });
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (fields) => loggerWith({ ...bound, ...fields }),
    };
  };
  return { logger: loggerWith({}), lines };
}
