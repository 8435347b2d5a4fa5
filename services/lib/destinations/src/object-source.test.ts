import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { InvalidDestinationError } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { makeObject, put } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { FakeS3 } from '@trailpush/test/kit/s3/fake-s3.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseCidrs } from './address.ts';
import { openFolder, type ObjectSource } from './object-source.ts';
import { openDestination } from './open-destination.ts';
import { parseDestination } from './registry.ts';

const { logger } = createRecordingLogger();
const deps = { clock: systemClock, logger };

async function namesOf(source: ObjectSource): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of source.list()) names.push(name);
  return names;
}

async function bytesOf(source: ObjectSource, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.read(name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a folder of objects', () => {
  it('lists what jobs have delivered, and nothing else, and reads it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trailpush-source-'));
    await mkdir(join(folder, '20260521/_trailpush'), { recursive: true });
    await writeFile(join(folder, '20260521/b.log.gz'), 'bbb');
    await writeFile(join(folder, '20260521/a.log.gz'), 'aaa');
    await writeFile(join(folder, '20260521/_trailpush/test.txt.gz'), 'x');
    await writeFile(join(folder, '.a.log.gz.tmp'), 'x');
    await writeFile(join(folder, 'ownership-challenge.txt'), 'x');
    const source = openFolder(folder);
    expect(await namesOf(source)).toEqual(['20260521/a.log.gz', '20260521/b.log.gz']);
    expect((await bytesOf(source, '20260521/b.log.gz')).toString()).toBe('bbb');
    await rm(folder, { recursive: true });
  });
});

describe('a bucket', () => {
  let fake: FakeS3;
  const open = (path: string, cidr = '127.0.0.0/8', bucket = 'bucket') => {
    const conf = `s3://${bucket}${path}?region=us-east-1&endpoint=${fake.endpoint}&access-key-id=${fake.accessKeyId}&secret-access-key=${encodeURIComponent(fake.secretAccessKey)}`;
    return parseDestination(conf, { allowPrivate: parseCidrs(cidr), fileRoot: undefined });
  };
  beforeAll(async () => {
    fake = await FakeS3.start();
    fake.createBucket('bucket');
  });
  afterAll(() => fake.stop());

  it('lists the objects below a path, page after page, and gives back what was put', async () => {
    const destination = openDestination(open('/logs'), deps);
    const object = { ...makeObject(), key: 'logs/20260521/a b+c.log.gz' };
    await put(destination, object);
    await destination.close();
    const stored = fake.buckets.get('bucket')!;
    const one = stored.get(object.key)!;
    for (let index = 0; index < 1500; index += 1) stored.set(`logs/z/${index}.log.gz`, one);
    stored.set('logs2/other.log.gz', one);
    stored.set('logs/_trailpush/test.txt.gz', one);
    const source = open('/logs/{DATE}').openSource!(deps);
    const names = await namesOf(source);
    expect(names).toHaveLength(1501);
    expect(names[0]).toBe(object.key);
    expect(await bytesOf(source, object.key)).toEqual(Buffer.concat(object.body));
    source.close();
  });

  it('says in the words of the store why it cannot be read', async () => {
    const source = open('', '127.0.0.0/8', 'missing').openSource!(deps);
    await expect(namesOf(source)).rejects.toThrow(/missing cannot be read: NoSuchBucket/);
    await expect(namesOf(source)).rejects.toBeInstanceOf(InvalidDestinationError);
    source.close();
  });

  it('is not reached at an address that is not allowed', async () => {
    expect(() => open('', '10.0.0.0/8')).toThrow(InvalidDestinationError);
  });
});
