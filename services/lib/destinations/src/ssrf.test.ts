import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';

import { systemClock } from '@trailpush/runtime';
import { makeObject, put } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseCidrs } from './address.ts';
import { openDestination } from './open-destination.ts';
import { parseDestination } from './registry.ts';

/** A name may be stored while it leads somewhere public, and lead elsewhere later. */
const policy = { allowPrivate: parseCidrs('10.0.0.0/8'), fileRoot: undefined };
const { logger } = createRecordingLogger();

describe('a name that leads to a forbidden address', () => {
  let server: Server;
  let connections = 0;
  beforeAll(async () => {
    server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => server.close());

  it.each([
    ['https', 'https://localhost:PORT/in?header_Authorization=Bearer%20planted'],
    ['http', 'http://localhost:PORT/in'],
    [
      's3',
      's3://bucket?region=x&endpoint=localhost:PORT&access-key-id=AK&secret-access-key=planted',
    ],
    ['azure', 'azure://localhost:PORT/container?sv=1&sp=w&ss=b&srt=o&sig=planted'],
    ['datadog', 'datadog://localhost:PORT/v1/input?header_DD-API-KEY=planted'],
    ['sumo', 'sumo://localhost:PORT/receiver/v1/http/CODE'],
    [
      'splunk',
      'splunk://localhost:8088/services/collector/raw?channel=c&header_Authorization=planted',
    ],
  ])('gets no packet from %s, neither a test nor an object', async (_kind, conf) => {
    const { port } = server.address() as AddressInfo;
    const parsed = parseDestination(conf.replace('PORT', String(port)), policy);
    const destination = openDestination(parsed, { clock: systemClock, logger });
    const results = [
      await destination.probe(new AbortController().signal),
      await put(destination, makeObject()),
    ];
    await destination.close();
    for (const { verdict, message } of results) {
      expect(verdict.kind).toBe('refused');
      expect(message).toContain('the address of localhost is outside the ranges');
      expect(message).not.toContain('127.0.0.1');
    }
    expect(connections).toBe(0);
  });
});
