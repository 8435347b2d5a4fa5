import { parseDestination, redactConf } from '@trailpush/destinations';
import { type ApiFixture, startApi } from '@trailpush/test/kit/api-fixture.ts';
import { afterAll, expect } from 'vitest';

import badDestinations from '../../../cases/bad-destinations.json' with { type: 'json' };
import { expand, type Case, type Driver, type DriverTable } from '../../cases.ts';
import { refusalOf } from './confs.ts';

const policy = { allowPrivate: [], fileRoot: '/data/out' };
const KEYS = 'access-key-id=AK&secret-access-key=planted-secret';
const JOBS = '/client/v4/accounts/acc-1/logpush/jobs';

let started: Promise<ApiFixture> | undefined;
afterAll(async () => (await started)?.close());

/** The conf of an entry; those for S3 get the keys that they lack, so that something else is refused. */
function confOf(entry: Case): string {
  const { destination_conf: conf } = entry['input'] as { destination_conf: unknown };
  const text = expand(conf);
  const lacksKeys = /^s3:\/\//i.test(text) && !text.includes('access-key-id');
  return lacksKeys ? `${text}&${KEYS}` : text;
}

/** What `bad-destinations.json` says that it is refused for. */
function reasonFor(conf: string): string {
  const plain = conf.replace('planted-secret', 'SK');
  const entry = (badDestinations as readonly { conf: string; refuse?: string }[]).find(
    (each) => each.conf === plain,
  );
  return entry?.refuse ?? 'longer than 900 bytes';
}

/** Refused by the parser and by every call of the API that takes a conf; nothing is stored. */
const reject: Driver = async (entry) => {
  const conf = confOf(entry);
  const refusal = refusalOf(conf);
  expect(refusal).toContain(reasonFor(conf));
  expect(refusal).not.toContain('planted-secret');
  started ??= startApi();
  const api = await started;
  const order = { dataset: 'audit_logs_v2', destination_conf: conf };
  const created = await api.send('POST', JOBS, order);
  expect(created).toMatchObject({ status: 400, body: { success: false } });
  expect((await api.send('GET', JOBS)).body.result).toEqual([]);
};

const accept: Driver = (entry) => {
  const conf = confOf(entry);
  const { location } = parseDestination(conf, policy);
  // Shown as it is connected to: in lower case, and in Punycode.
  expect(location).toMatch(/^(?:https|s3):\/\/[a-z0-9.:[\]-]+$/);
  expect(redactConf(conf)).not.toContain('QTpC');
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
};

/** By the first word of what the entry expects. */
const judge: Driver = (entry) =>
  /^accept/.test(String(entry['expect'])) ? accept(entry) : reject(entry);

export const badConfDrivers: DriverTable = {
  'ssrf-ipv4-literal': judge,
  'ssrf-ipv6-literal': judge,
  'ssrf-reserved-ipv4': judge,
  'ssrf-edge-allowed': judge,
  'ssrf-metadata': judge,
  'ssrf-hostname': judge,
  'ssrf-other-path': judge,
  'url-parsing': judge,
  'url-scheme': judge,
  'header-injection': judge,
  'path-and-conf': judge,
  'file-destination': judge,
};
