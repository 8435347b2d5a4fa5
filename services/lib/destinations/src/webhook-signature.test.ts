import { createHmac, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';

import { systemClock } from '@trailpush/runtime';
import { LOOPBACK_POLICY } from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { makeObject, put } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { HttpReceiver, type ReceivedRequest } from '@trailpush/test/kit/http-receiver.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openDestination } from './open-destination.ts';
import { parseDestination } from './registry.ts';
import { redactConf } from './secrets.ts';

const KEY = randomBytes(32);
const SECRET = `whsec_${KEY.toString('base64')}`;
const { logger } = createRecordingLogger();

/** Throws when the library does not accept it. */
function verify(request: ReceivedRequest, payload: string): void {
  const headers = request.headers as Record<string, string>;
  new Webhook(SECRET).verify(payload, headers, { jsonParse: false });
}

describe('a signed POST', () => {
  let receiver: HttpReceiver;
  beforeEach(async () => {
    receiver = await HttpReceiver.start();
  });
  afterEach(() => receiver.stop());

  async function send(params: string, object = makeObject()): Promise<ReceivedRequest> {
    const parsed = parseDestination(`${receiver.origin}/in?${params}`, LOOPBACK_POLICY);
    const destination = openDestination(parsed, { clock: systemClock, logger });
    expect(await put(destination, object)).toMatchObject({ verdict: { kind: 'delivered' } });
    await destination.close();
    return receiver.received[0]!;
  }

  it('is accepted by the Standard Webhooks library, which gets the lines', async () => {
    const object = makeObject({ lines: '{"a":"ü"}\n{"a":2}\n' });
    const request = await send(`signing-secret=${SECRET}&a=1`, object);
    verify(request, gunzipSync(request.body).toString());
    expect(request.headers['webhook-id']).toBe(object.idempotencyKey);
    expect(() => verify(request, '{"a":"ü"}\n{"a":3}\n')).toThrow('No matching signature');
  });

  it('can be verified by the bytes as they came, too', async () => {
    const { headers, body } = await send(`signing-secret=${SECRET}`);
    const start = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.`;
    const ofBytes = createHmac('sha256', KEY).update(start).update(body).digest('base64');
    expect(String(headers['webhook-signature']).split(' ')).toContain(`v1,${ofBytes}`);
  });

  it('signs bodies of many pieces', async () => {
    const lines = `${randomBytes(3_000_000).toString('base64')}\n`;
    const request = await send(`signing-secret=${SECRET}`, makeObject({ lines }));
    verify(request, lines);
  });

  it('never sends its secret on', async () => {
    const { url, headers } = await send(`x=1&signing-secret=${SECRET}&header_A=b`);
    expect(url).toBe('/in?x=1');
    expect(JSON.stringify(headers)).not.toContain(KEY.toString('base64').slice(0, 20));
  });

  it('goes without these headers when there is no secret', async () => {
    const { headers } = await send('x=1');
    expect(Object.keys(headers).filter((name) => name.startsWith('webhook-'))).toEqual([]);
  });
});

describe('a signing secret', () => {
  it('is redacted', () => {
    const conf = `https://a.example/?x=1&signing-secret=${SECRET}`;
    expect(redactConf(conf)).toBe('https://a.example/?x=1&signing-secret=REDACTED');
    const secrets = parseDestination(conf, LOOPBACK_POLICY).secrets.map((one) => one.reveal());
    expect(secrets).toEqual([SECRET]);
  });

  it.each([
    'signing-secret=',
    'signing-secret=abc',
    'signing-secret=whsec_',
    `signing-secret=whsec_${randomBytes(23).toString('base64')}`,
    `signing-secret=whsec_${randomBytes(65).toString('base64')}`,
    `signing-secret=${SECRET}-`,
  ])('that is none is refused: %s', (param) => {
    expect(() => parseDestination(`https://a.example/?${param}`, LOOPBACK_POLICY)).toThrow(
      'signing-secret must be whsec_ and 24 to 64 bytes in base64',
    );
  });

  it('is refused when it is given twice', () => {
    const conf = `https://a.example/?signing-secret=${SECRET}&signing-secret=${SECRET}`;
    expect(() => parseDestination(conf, LOOPBACK_POLICY)).toThrow('signing-secret is given twice');
  });
});
