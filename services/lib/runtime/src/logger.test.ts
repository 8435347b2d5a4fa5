import { Writable } from 'node:stream';

import { Secret } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { createLogger } from './logger.ts';

function capture(isTTY: boolean) {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  return { stream: Object.assign(stream, { isTTY }), text: () => lines.join('') };
}

function parsedLine(text: string): Record<string, unknown> {
  expect(text.split('\n')).toHaveLength(2);
  return JSON.parse(text) as Record<string, unknown>;
}

describe('createLogger', () => {
  it('writes one JSON object a line, with level names and ISO times', () => {
    const { stream, text } = capture(false);
    createLogger({ level: 'info', stream }).info({ jobId: 7 }, 'batch delivered');
    const line = parsedLine(text());
    expect(line).toMatchObject({ level: 'info', jobId: 7, msg: 'batch delivered' });
    expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it('keeps secrets out: Secret values, URLs in texts and errors, causes, properties of errors', () => {
    const { stream, text } = capture(false);
    const cause = new Error('PUT https://user:canary@host/x?sig=canary failed');
    const error = Object.assign(new Error('s3://b/p?secret-access-key=canary', { cause }), {
      config: { headers: { Authorization: 'Bearer canary' } },
    });
    createLogger({ level: 'info', stream }).warn(
      { error, conf: new Secret('canary'), text: 'got "Authorization: Bearer canary"' },
      'attempt failed',
    );
    expect(text()).not.toContain('canary');
    expect(parsedLine(text())).toMatchObject({
      conf: 'REDACTED',
      error: {
        type: 'Error',
        message: 's3://b/p?REDACTED',
        cause: { message: 'PUT https://REDACTED@host/x?REDACTED failed' },
      },
    });
  });

  it('writes stacks only at level debug', () => {
    const { stream: info, text: infoText } = capture(false);
    createLogger({ level: 'info', stream: info }).error({ err: new Error('x') }, 'failed');
    expect(infoText()).not.toContain('logger.test.ts');
    const { stream: debug, text: debugText } = capture(false);
    createLogger({ level: 'debug', stream: debug }).error({ err: new Error('x') }, 'failed');
    expect(debugText()).toContain('logger.test.ts');
  });

  it('writes text for people on a terminal', () => {
    const { stream, text } = capture(true);
    createLogger({ level: 'info', stream }).info({ path: '\u001b[31m' }, 'listening');
    expect(text()).toContain('listening');
    expect(text()).not.toMatch(/^\{/);
    expect(text()).not.toContain('\u001b[31m');
  });
});
