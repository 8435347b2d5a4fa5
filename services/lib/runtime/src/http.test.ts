import { connect } from 'node:net';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createHttpServer } from './http.ts';
import { createLogger } from './logger.ts';
import { createMetrics, forgetJob, type Metrics } from './metrics.ts';
import { Readiness } from './readiness.ts';

describe('createHttpServer', () => {
  let metrics: Metrics;
  let readiness: Readiness;
  let app: ReturnType<typeof createHttpServer>;
  beforeEach(() => {
    metrics = createMetrics();
    readiness = new Readiness();
    const logger = createLogger({ level: 'silent', stream: new PassThrough() });
    app = createHttpServer({ logger, metrics, readiness });
  });
  afterEach(() => app.close());

  it('is healthy whatever the rest of the system does', async () => {
    readiness.add('log', () => 'no broker answers');
    const answer = await app.inject('/healthz');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ status: 'ok' });
  });

  it('is ready when no check objects, else says in sentences why not', async () => {
    let trouble: string | undefined = 'no broker answers';
    readiness.add('log', () => trouble);
    const answer = await app.inject('/readyz');
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toEqual({ status: 'not ready', reasons: ['log: no broker answers'] });
    trouble = undefined;
    expect((await app.inject('/readyz')).statusCode).toBe(200);
  });

  it('serves metrics, with requests counted by route pattern', async () => {
    app.get('/things/:id', async () => 'x');
    await app.inject('/things/1');
    await app.inject('/things/2');
    await app.inject('/nowhere');
    const answer = await app.inject('/metrics');
    expect(answer.headers['content-type']).toContain('text/plain');
    expect(answer.body).toContain(
      'trailpush_http_requests_total{route="/things/:id",status="200"} 2',
    );
    expect(answer.body).toContain(
      'trailpush_http_requests_total{route="unmatched",status="404"} 1',
    );
    expect(answer.body).toMatch(/^trailpush_resident_memory_bytes \d+$/m);
    expect(answer.body).toMatch(/^trailpush_event_loop_delay_seconds /m);
  });

  it('forgets the metrics of a deleted job', async () => {
    for (const job_id of ['1', '12']) {
      metrics.job.lagEvents.set({ job_id, destination_kind: 's3' }, 5);
      metrics.job.batches.inc({
        job_id,
        destination_kind: 's3',
        result: 'delivered',
        reason: 'age',
      });
    }
    await forgetJob(metrics, 1);
    const text = await metrics.registry.metrics();
    expect(text).not.toContain('job_id="1"');
    expect(text).toContain('trailpush_delivery_lag_events{job_id="12",destination_kind="s3"} 5');
  });

  it('hides the text of an unexpected error from clients', async () => {
    app.get('/broken', () => Promise.reject(new Error('canary')));
    const answer = await app.inject('/broken');
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('canary');
  });

  it.each([
    ['/nowhere', 404],
    ['/things/%zz', 400],
    [`/things/${'a'.repeat(300)}`, 414],
  ])('answers %s in the envelope of the API', async (url, status) => {
    app.get('/things/:id', async () => 'x');
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toMatchObject({ success: false, messages: [], result: null });
  });

  it('ends connections that are slow, idle or too many', () => {
    expect(app.server).toMatchObject({
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 10_000,
      maxConnections: 1_000,
    });
  });

  it('answers 413 above the body limit and 431 above the header limit', async () => {
    app.post('/things', async () => 'x');
    const large = await app.inject({
      method: 'POST',
      url: '/things',
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify('x'.repeat(1024 * 1024)),
    });
    expect(large.statusCode).toBe(413);
    await app.listen({ port: 0, host: '127.0.0.1' });
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.write(
      `GET /healthz HTTP/1.1\r\nhost: x\r\nauthorization: ${'a'.repeat(20_000)}\r\n\r\n`,
    );
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1.1 431 /);
  });
});
