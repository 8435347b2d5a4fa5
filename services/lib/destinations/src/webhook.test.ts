import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError, Secret } from '@trailpush/core';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { readBody } from '@trailpush/test/kit/read-body.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCidrs } from './address.ts';
import { openWebhook } from './webhook.ts';

const { logger } = createRecordingLogger();
const never = new AbortController().signal;
let server: Server;
let received: { type: string | undefined; body: string }[];
let status: number;
beforeEach(async () => {
  received = [];
  status = 200;
  server = createServer((request, response) => {
    void readBody(request).then((body) => {
      received.push({ type: request.headers['content-type'], body: body.toString() });
      response.writeHead(status, { location: '/elsewhere' }).end('thanks');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function open(
  ranges: string,
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/h`,
) {
  const policy = { allowPrivate: parseCidrs(ranges), fileRoot: undefined };
  return openWebhook(new Secret(url), { setting: 'TRAILPUSH_NOTIFY_WEBHOOK', policy, logger });
}

describe('the webhook', () => {
  it('gets JSON, and only 2xx is success', async () => {
    const { post, close } = open('127.0.0.0/8');
    await post('{"a":1}', never);
    expect(received).toEqual([{ type: 'application/json', body: '{"a":1}' }]);
    for (const other of [302, 404, 503]) {
      status = other;
      await expect(post('{}', never)).rejects.toThrow(`it answered ${other}`);
    }
    expect(received).toHaveLength(4);
    close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await expect(post('{}', never)).rejects.toThrow('ECONNREFUSED');
  });

  it('lies where destinations may lie, else the setting is refused by name', () => {
    expect(() => open('')).toThrow(ConfigError);
    expect(() => open('10.0.0.0/8')).toThrow(/^TRAILPUSH_NOTIFY_WEBHOOK cannot be used: /);
  });
});
