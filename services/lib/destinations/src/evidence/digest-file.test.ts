import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { DigestContent } from '@trailpush/core';
import { expect, it } from 'vitest';

import { digestBuilder, hashOf } from './digest-file.ts';

/** A key of nobody, so that signatures repeat: its seed behind what PKCS #8 puts before one. */
const KEY = createPrivateKey({
  key: Buffer.concat([
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    Buffer.from(Array.from({ length: 32 }, (_, index) => index)),
  ]),
  format: 'der',
  type: 'pkcs8',
});
const signer = { keyId: 'k1', sign: (text: Uint8Array) => sign(null, text, KEY) };

const CONTENT: DigestContent = {
  ...{ accountId: 'acme', jobId: 7, sequence: 2, fromMs: 1_700_000_000_000 },
  ...{ toMs: 1_700_003_600_000, state: 'enabled', isPart: false },
  places: [{ since: 1, location: 's3://bucket', folder: 'logs' }],
  objects: [
    {
      ...{ location: 's3://bucket', key: 'logs/é_1.log.gz', idempotencyKey: 'ab', replayId: null },
      ...{ payloadHash: 'aa', payloadBytes: 10, records: 2, topic: 't' },
      ...{ partition: 0, first: 3, last: 9 },
    },
    {
      ...{ location: 's3://other', key: 'x', idempotencyKey: 'cd', replayId: 12 },
      ...{ payloadHash: 'bb', payloadBytes: 20, records: 4, topic: 't' },
      ...{ partition: 1, first: 0, last: 1 },
    },
  ],
  openPlans: [{ location: 's3://bucket', key: 'logs/2', payloadHash: 'cc' }],
  ranges: [{ topic: 't', incarnation: 1, partition: 0, from: 3, to: 10 }],
  gaps: [
    {
      topic: 't',
      partition: 1,
      from: 2,
      to: 4,
      reason: 'the log lost it',
      possiblyDelivered: true,
    },
  ],
  deadLetters: [{ topic: 't', partition: 0, offset: 5, reason: 'not_avro' }],
  previous: { hash: 'dd', signature: 'ee' },
};

it('is these bytes, today and after every change of the program', () => {
  const build = digestBuilder({ intervalMs: 3_600_000, hasKeys: false });
  const { body, hash, signature } = build(CONTENT, signer);
  const [text = '', seal = '', rest] = Buffer.from(body).toString().split('\n');
  expect(text).toBe(
    '{"account_id":"acme","dead_letters":[{"offset":5,"partition":0,"reason":"not_avro","topic":"t"}],' +
      '"from":"2023-11-14T22:13:20.000Z","gaps":[{"from":2,"partition":1,"possibly_delivered":true,' +
      '"reason":"the log lost it","to":4,"topic":"t"}],"interval_seconds":3600,"job_id":7,"key_id":"k1",' +
      '"objects":[{"bytes":10,"first":3,"last":9,"name":"logs/é_1.log.gz","partition":0,"records":2,' +
      '"sha256":"aa","topic":"t"},{"bytes":20,"first":0,"last":1,"location":"s3://other","name":"x",' +
      '"partition":1,"records":4,"replay_id":12,"sha256":"bb","topic":"t"}],' +
      '"open_plans":[{"name":"logs/2","sha256":"cc"}],"part":false,' +
      '"places":[{"folder":"logs","location":"s3://bucket","since":1}],' +
      '"previous":{"sha256":"dd","signature":"ee"},' +
      '"ranges":[{"from":3,"incarnation":1,"partition":0,"to":10,"topic":"t"}],"sequence":2,' +
      '"state":"enabled","to":"2023-11-14T23:13:20.000Z","version":1}',
  );
  expect(seal).toBe(`{"algorithm":"Ed25519","key_id":"k1","signature":"${signature}"}`);
  expect(rest).toBe('');
  expect(hash).toBe(hashOf(Buffer.from(text)));
  expect(
    verify(null, Buffer.from(text), createPublicKey(KEY), Buffer.from(signature, 'base64')),
  ).toBe(true);
  expect(build(CONTENT, signer)).toEqual({ body, hash, signature });
});

it('tells requests apart by their keys where objects have no names', () => {
  const { body } = digestBuilder({ intervalMs: 1, hasKeys: true })(CONTENT, signer);
  expect(Buffer.from(body).toString()).toContain('"idempotency_key":"ab"');
});
