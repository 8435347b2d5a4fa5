import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '@trailpush/runtime';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { FakeS3 } from '@trailpush/test/kit/s3/fake-s3.ts';
import { expect, it } from 'vitest';

import { parseCidrs } from './address.ts';
import { challengeFilename, demandsOwnership, putChallenge } from './ownership.ts';
import { parseDestination } from './registry.ts';

const deps = { clock: systemClock, logger: createRecordingLogger().logger };
const signal = new AbortController().signal;

it('is written in plain text beside the objects of a bucket', async () => {
  const s3 = await FakeS3.start();
  const bucket = s3.createBucket('audit');
  const keys = `access-key-id=${s3.accessKeyId}&secret-access-key=${encodeURIComponent(s3.secretAccessKey)}`;
  const conf = `s3://audit/logs/{DATE}?region=${s3.region}&endpoint=${s3.endpoint}&${keys}`;
  const policy = { allowPrivate: parseCidrs('127.0.0.0/8'), fileRoot: undefined };
  const parsed = parseDestination(conf, policy);
  expect(await putChallenge(parsed, 'a.b.c', deps, signal)).toMatchObject({
    verdict: { kind: 'delivered' },
  });
  expect(bucket.size).toBe(1);
  const [[key, object]] = [...bucket] as unknown as [[string, { body: Uint8Array }]];
  expect(key).toMatch(/^logs\/\d{8}\/ownership-challenge\.txt$/);
  expect(Buffer.from(object.body).toString()).toBe('a.b.c\n');
  expect(challengeFilename(parsed, systemClock.now())).toBe(`audit/${key}`);
  await s3.stop();
});

it('is written to a folder', async () => {
  const fileRoot = mkdtempSync(join(tmpdir(), 'trailpush-ownership-'));
  const parsed = parseDestination('file://out', { allowPrivate: [], fileRoot });
  await putChallenge(parsed, 'a.b.c', deps, signal);
  expect(challengeFilename(parsed, 0)).toBe('out/ownership-challenge.txt');
  expect(readFileSync(join(fileRoot, 'out/ownership-challenge.txt'), 'utf8')).toBe('a.b.c\n');
  rmSync(fileRoot, { recursive: true });
});

it.each([
  ['s3://b/p?region=us-east-1', true],
  ['s3://b/p?region=us-east-1&access-key-id=A&secret-access-key=S', false],
  ['gs://b/p', true],
  ['azure://a.blob.core.windows.net/c?sig=x', true],
  ['sumo://endpoint1.collection.sumologic.com/receiver/v1/http/CODE', true],
  ['r2://b/p?account-id=x', false],
  ['https://logs.example.com', false],
  ['datadog://http-intake.logs.datadoghq.com/api/v2/logs?header_DD-API-KEY=x', false],
])('of %s, Logpush wants a proof: %s', (conf, expected) => {
  expect(demandsOwnership(conf)).toBe(expected);
});
