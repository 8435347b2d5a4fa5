import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { Secret } from '@trailpush/core';
import { openDestination, parseDestination } from '@trailpush/destinations';
import { systemClock } from '@trailpush/runtime';
import { openSqliteStores, SealBrokenError, SecretBox } from '@trailpush/stores';
import { jobSpec } from '@trailpush/test/kit/batcher-world.ts';
import { LOOPBACK_POLICY } from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { HttpReceiver } from '@trailpush/test/kit/http-receiver.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { expect, onTestFinished } from 'vitest';

import type { Driver, Drivers } from '../cases.ts';
import { createJob, JOBS, ORDER, theApi } from '../logpush-api.ts';

const SECRET = 'pLaNtEd/s3cret+of=cases';

/** As it may be quoted; base64 at each of the three places where it can begin. */
function formsOf(secret: string): string[] {
  const shifted = ['', 'x', 'xx'].map((before) =>
    Buffer.from(before + secret)
      .toString('base64')
      .slice(4, -4),
  );
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('hex'), ...shifted];
}

function expectHidden(text: string, secret = SECRET): void {
  for (const form of formsOf(secret)) expect(text).not.toContain(form);
}

const execute = promisify(execFile);

/** What a process writes that ends by a rejection that nobody handles. */
async function crash(script: string): Promise<string> {
  const flags = ['--input-type=module-typescript', '-e', script];
  const options = { cwd: import.meta.dirname };
  const outcome = await execute(process.execPath, flags, options).catch((error: unknown) => error);
  const { code, stdout, stderr } = outcome as { code?: number; stdout: string; stderr: string };
  expect(code).toBe(1);
  return stdout + stderr;
}

/** By Node's own last words, and by those of the program. */
const crashReport: Driver = async () => {
  const reject = `
    import { Secret } from '@trailpush/core';
    const config = { adminToken: new Secret(${JSON.stringify(SECRET)}), name: 'the-config' };
    void Promise.reject(Object.assign(new Error('a bug'), { config }));`;
  const [bare, own] = await Promise.all([
    crash(reject),
    crash(`
      import { createLogger, Lifecycle, systemClock } from '@trailpush/runtime';
      const logger = createLogger({ level: 'debug', stream: process.stdout });
      new Lifecycle({ clock: systemClock, logger }).listen();
      ${reject}`),
  ]);
  expect(bare).toContain('the-config');
  expect(own).toContain('the program failed unexpectedly');
  for (const text of [bare, own]) {
    expect(text).toContain('a bug');
    expectHidden(text);
  }
};

const movedSecret: Driver = () => {
  const key = randomBytes(32);
  const place = { accountId: 'a', jobId: 1, field: 'destination_conf' };
  const sealed = new SecretBox(key).seal(new Secret(SECRET), place);
  expect(new SecretBox(key).open(sealed, place).reveal()).toBe(SECRET);
  for (const other of [{ jobId: 2 }, { accountId: 'b' }, { field: 'token' }]) {
    const moved = { ...place, ...other };
    expect(() => new SecretBox(key).open(sealed, moved)).toThrow(SealBrokenError);
  }
  expect(() => new SecretBox(randomBytes(32)).open(sealed, place)).toThrow(SealBrokenError);
};

/** Every file of the database, while it is open and after. */
const databaseFile: Driver = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trailpush-cases-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const contents = async () => {
    const files = await readdir(folder);
    const texts = files.map((file) => readFile(join(folder, file), 'latin1'));
    return (await Promise.all(texts)).join('');
  };
  const { logger } = createRecordingLogger();
  const file = join(folder, 'state.db');
  const stores = await openSqliteStores({
    ...{ file, secretKey: randomBytes(32), clock: systemClock, logger },
  });
  const conf = `https://logs.example.com?header_Authorization=${encodeURIComponent(SECRET)}`;
  const spec = jobSpec('', { name: 'known-name', destinationConf: new Secret(conf) });
  const { id } = await stores.jobs.create('a', spec, undefined);
  expect((await stores.jobs.get('a', id))?.spec.destinationConf.reveal()).toBe(conf);
  const whileOpen = await contents();
  await stores.close();
  for (const text of [whileOpen, await contents()]) {
    expect(text).toContain('known-name');
    expectHidden(text);
    expectHidden(text, encodeURIComponent(SECRET));
  }
};

const shownJob: Driver = async () => {
  const api = await theApi();
  const conf = ORDER.destination_conf.replace('canary-of-cases', encodeURIComponent(SECRET));
  const { id } = await createJob({ destination_conf: conf });
  for (const url of [`${JOBS}/${String(id)}`, JOBS]) {
    const { status, text, headers } = await api.send('GET', url);
    expect(status).toBe(200);
    expect(text).toContain('secret-access-key=REDACTED');
    expectHidden(text + JSON.stringify(headers));
  }
};

/** A receiver that quotes what it was sent, in every form, at a creation and in a delivery's error. */
const echoedSecret: Driver = async () => {
  const receiver = await HttpReceiver.start({
    answer: () => ({ status: 403, body: `You sent ${formsOf(SECRET).slice(0, 3).join(' and ')}` }),
  });
  onTestFinished(() => receiver.stop());
  const recording = createRecordingLogger();
  const api = await theApi();
  const query = `?header_Authorization=${encodeURIComponent(SECRET)}`;
  api.answerProbes(async (_conf, signal) => {
    const parsed = parseDestination(receiver.origin + query, LOOPBACK_POLICY);
    const destination = openDestination(parsed, { clock: systemClock, logger: recording.logger });
    return destination.probe(signal).finally(() => destination.close());
  });
  const body = { ...ORDER, destination_conf: `https://logs.example.com${query}` };
  const answer = await api.send('POST', JOBS, body);
  expect(answer.status).toBe(400);
  expect(answer.body.errors[0]?.message).toContain('You sent REDACTED');
  expectHidden(answer.text + JSON.stringify(answer.headers));
  expectHidden(api.logged() + JSON.stringify(recording.lines));
};

/** Cases about secrets; test/integration/planted-secrets.test.ts looks for them in the whole program. */
export const drivers: Drivers = {
  badInputs: {
    'secrets-01': crashReport,
    'secrets-02': movedSecret,
    'secrets-04': databaseFile,
    'secrets-06': shownJob,
    'secrets-07': echoedSecret,
  },
};
