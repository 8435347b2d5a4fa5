import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeadLetter } from '@trailpush/core';
import { encodeEvent, parseEventItem, type AuditEvent } from '@trailpush/datasets';
import { openEmbeddedLog } from '@trailpush/log';
import { systemClock } from '@trailpush/runtime';
import { openSqliteStores } from '@trailpush/stores';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRecordingLogger } from '../kit/recording-logger.ts';
import { FolderReader } from '../kit/system/arrivals.ts';
import { createJob, ingest, metric } from '../kit/system/client.ts';
import { item } from '../kit/system/load.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: nothing that can lie in a log or come over HTTP stops the delivery of the rest, and nothing is
 * dropped without a word. Method: bad records are put between good ones while the program is stopped.
 */
const ACCOUNT = 'acme';
const OTHER = 'globex';
const GOOD_BETWEEN = 20;
const MAX_RECORD_BYTES = 100_000;
const secretKey = randomBytes(32);
const folder = mkdtempSync(join(tmpdir(), 'trailpush-bad-input-'));
const common = { clock: systemClock, logger: createRecordingLogger().logger };
let program: Program;

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  program = await Program.start({
    command: 'up',
    dataFolder: folder,
    environment: {
      TRAILPUSH_MAX_RECORD_BYTES: String(MAX_RECORD_BYTES),
      TRAILPUSH_SECRET_KEY: secretKey.toString('base64'),
    },
  });
});

afterAll(async () => {
  await program.kill();
  rmSync(folder, { recursive: true, force: true });
});

function event(id: string, change: Partial<AuditEvent> = {}, account = ACCOUNT): AuditEvent {
  const parsed = parseEventItem(Buffer.from(item(account, id)), {
    maxLineBytes: MAX_RECORD_BYTES,
    newId: () => id,
    nowMicros: () => 0,
  });
  if (!parsed.ok) throw new Error(parsed.reason);
  return { ...parsed.event, ...change };
}

function withRequest(request: string): Uint8Array {
  const { resource, ...rest } = event('bad');
  return encodeEvent({ ...rest, resource: { ...resource, request } });
}

/** A good record with some of its bytes replaced. */
function damaged(at: number, bytes: readonly number[]): Uint8Array {
  const value = Buffer.from(encodeEvent(event('bad')));
  value.set(bytes, at);
  return value;
}

const good = encodeEvent(event('bad'));
const single = good.subarray(0, 10);

/** What is wrong, the value of the record, its reason as a dead letter, and what the letter says. */
const BAD_RECORDS: readonly (readonly [string, Uint8Array, string, RegExp])[] = [
  ['text', Buffer.from('{"id":"bad"}'), 'not_avro', /neither the single-object marker/],
  ['an empty value', Buffer.alloc(0), 'not_avro', /neither the single-object marker/],
  ['a cut header', good.subarray(0, 9), 'not_avro', /neither the single-object marker/],
  ['a cut event', good.subarray(0, good.length - 7), 'not_avro', /./],
  ['bytes behind the event', Buffer.concat([good, Buffer.of(0)]), 'not_avro', /for 1 bytes after/],
  [
    'a text of 2^40 bytes',
    Buffer.concat([single, Buffer.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x40)]),
    'not_avro',
    /./,
  ],
  ['an unknown fingerprint', damaged(2, [1, 2, 3]), 'unknown_schema', /fingerprint 010203/],
  ['an unknown registry', Buffer.of(0, 0, 0, 0, 7, 0), 'unknown_schema', /SCHEMA_REGISTRY_URL/],
  [
    'a record that is too large',
    withRequest(JSON.stringify('x'.repeat(MAX_RECORD_BYTES))),
    'too_large',
    /TRAILPUSH_MAX_RECORD_BYTES allows 100000/,
  ],
  ['a body that is not JSON', withRequest('{"a":1'), 'body_not_json', /resource\.request.*byte 6/],
  ['a line break in a body', withRequest('"a\nb"'), 'body_not_json', /control character/],
  [
    'a body that is nested 20,000 deep',
    withRequest('['.repeat(20_000) + ']'.repeat(20_000)),
    'body_too_deep',
    /resource\.request.*64 levels/,
  ],
  ['another account', encodeEvent(event('bad', {}, OTHER)), 'account_mismatch', /not the key/],
  ['no account', encodeEvent(event('bad', { account: null })), 'account_mismatch', /not the key/],
];

/** Good events of the account, GOOD_BETWEEN of them before each bad record and behind the last. */
async function fillLog(): Promise<Set<string>> {
  const ids = new Set<string>();
  const records: { key: string; value: Uint8Array }[] = [];
  const addGood = (): void => {
    for (let count = 0; count < GOOD_BETWEEN; count++) {
      const id = `good-${ids.size}`;
      ids.add(id);
      records.push({ key: ACCOUNT, value: encodeEvent(event(id)) });
    }
  };
  for (const [, value] of BAD_RECORDS) {
    addGood();
    records.push({ key: ACCOUNT, value });
  }
  addGood();
  const log = await openEmbeddedLog({ ...common, dir: folder });
  await log.append(records);
  await log.append([{ key: OTHER, value: encodeEvent(event('theirs', {}, OTHER)) }]);
  await log.close();
  return ids;
}

async function deadLetters(): Promise<readonly DeadLetter[]> {
  const file = join(folder, 'state.db');
  const stores = await openSqliteStores({ ...common, file, secretKey });
  const letters = await stores.progress.listDeadLetters(100);
  await stores.close();
  return letters.toSorted((a, b) => a.offset - b.offset);
}

describe('bad input', () => {
  it('becomes dead letters with their reasons, and everything else is delivered once', async () => {
    const interval = { max_upload_interval_seconds: 1 };
    for (const account of [ACCOUNT, OTHER]) {
      const destination_conf = `file://${account}`;
      await createJob(program.url, account, { name: account, destination_conf, ...interval });
    }
    expect(await program.terminate()).toBe(0);
    const ids = await fillLog();
    await program.start();
    const files = new FolderReader(join(folder, 'out', ACCOUNT));
    const others = new FolderReader(join(folder, 'out', OTHER));
    await eventually('all good events are delivered', 30_000, () => {
      return [...ids].every((id) => files.look().has(id)) && others.look().size > 0;
    });
    const counted = await metric(program.url, 'trailpush_dead_letters_total');
    expect(counted).toBe(BAD_RECORDS.length);
    expect((await fetch(`${program.url}/readyz`)).status).toBe(200);
    expect(await program.terminate()).toBe(0);

    const letters = await deadLetters();
    // The events about the jobs themselves come first.
    const first = letters[0]?.offset ?? 0;
    expect(letters.map(({ offset, reason }) => [offset - first, reason])).toEqual(
      BAD_RECORDS.map(([, , reason], index) => [index * (GOOD_BETWEEN + 1), reason]),
    );
    for (const [index, [what, value, , message]] of BAD_RECORDS.entries()) {
      const letter = letters[index];
      expect(letter?.message, what).toMatch(message);
      expect(letter?.accountId, what).toBe(ACCOUNT);
      expect(Buffer.from(letter?.value ?? []).equals(value), what).toBe(true);
    }

    // Nothing of it comes again with the next start, and the next events are delivered.
    await program.start();
    expect(await ingest(program.url, [item(ACCOUNT, 'next')])).toBe(true);
    await eventually('the next event is delivered', 30_000, () => files.look().has('next'));
    const arrived = [...ids, 'next'].map((id): [string, number] => [id, 1]);
    expect(new Map(files.look())).toEqual(new Map(arrived));
    expect(new Map(others.look())).toEqual(new Map([['theirs', 1]]));
    expect(await metric(program.url, 'trailpush_dead_letters_total')).toBe(0);
  });

  it.each<[property: string, value: unknown, message: RegExp]>([
    ['destination_conf', 'https://0xA9FEA9FE/in', /not public/],
    ['destination_conf', 'file://../elsewhere', /\.\./],
    ['destination_conf', 'ftp://files.example.com/in', /ftp/],
    ['dataset', 'http_requests', /audit_logs_v2/],
    ['name', 'has space', /^name must/],
    ['filter', '{"where":{"key":"Nope","operator":"eq","value":"x"}}', /Nope/],
    ['max_upload_records', -1, /^max_upload_records must/],
    ['output_options', { field_names: ['Nope'] }, /Nope/],
    ['nope', 1, /nope/],
  ])('a job with a bad %s is refused in the envelope (%j)', async (property, value, message) => {
    const order = { dataset: 'audit_logs_v2', name: 'n', destination_conf: 'file://x' };
    const answer = await fetch(`${program.url}/client/v4/accounts/${ACCOUNT}/logpush/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...order, [property]: value }),
    });
    expect(answer.status).toBe(400);
    const body = (await answer.json()) as {
      errors: { message: string; source?: { pointer: string } }[];
    };
    expect(body).toMatchObject({ success: false, result: null, messages: [] });
    expect(body.errors).toHaveLength(1);
    expect(body.errors[0]?.message).toMatch(message);
    expect(body.errors[0]?.source?.pointer).toMatch(new RegExp(`^/${property}(/|$)`));
  });
});
