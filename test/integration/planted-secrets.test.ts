import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAuthority } from '../kit/certificates.ts';
import { createGoogleKey } from '../kit/google-key.ts';
import { HttpReceiver, type ReceivedRequest, type ReceiverAnswer } from '../kit/http-receiver.ts';
import { ingest } from '../kit/system/client.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: no secret of any kind of destination is found anywhere that it was not sent to. Method: receivers
 * take the test upload and then quote every secret back in every encoding; afterwards logs, answers of
 * the API, metrics and every file of the data folder are searched.
 */
const plant = (): string => `Planted${randomBytes(12).toString('hex')}`;
const SECRETS = {
  s3: plant(),
  header: plant(),
  query: plant(),
  segment: plant(),
  signing: randomBytes(32).toString('base64'),
  sumo: plant(),
  datadog: plant(),
  splunk: plant(),
  azure: randomBytes(32).toString('base64'),
};
const GOOGLE = createGoogleKey();
const PRIVATE_KEY = (JSON.parse(GOOGLE.json) as { private_key: string }).private_key;
const PLANTED = [
  ...Object.values(SECRETS),
  GOOGLE.credentials.replace('base64:', ''),
  // A line from the middle of it.
  PRIVATE_KEY.split('\n')[5] ?? '',
];

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const forms = [secret, encodeURIComponent(secret), hex, hex.toUpperCase()];
  return [...forms, bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url')];
}

/** Takes the test upload, and quotes everything secret of what comes later. */
function answer({ method, url, headers, body }: ReceivedRequest): ReceiverAnswer {
  const isTest = gunzipSync(body).toString() === '{"content":"tests"}';
  if (isTest) return { status: method === 'PUT' ? 201 : 200, headers: { etag: '"e"' } };
  const request = decodeURIComponent(url) + JSON.stringify(headers);
  const known = Object.values(SECRETS).filter((secret) => request.includes(secret));
  const words = `You sent ${known.flatMap(formsOf).join(' ')}`;
  return { status: 400, body: `<Error><Code>Bad</Code><Message>${words}</Message></Error>` };
}

const folder = mkdtempSync(join(tmpdir(), 'trailpush-planted-'));
const authority = createAuthority();
let receiver: HttpReceiver;
let program: Program;
const answers: string[] = [];

beforeAll(async () => {
  receiver = await HttpReceiver.start({ tls: authority.issue(['127.0.0.1']), answer });
  const certificate = join(folder, 'ca.pem');
  writeFileSync(certificate, authority.cert);
  const environment = {
    NODE_EXTRA_CA_CERTS: certificate,
    LOG_LEVEL: 'debug',
    TRAILPUSH_REQUIRE_OWNERSHIP: '0',
  };
  program = await Program.start({ command: 'up', dataFolder: join(folder, 'data'), environment });
});

afterAll(async () => {
  await program.kill();
  await receiver.stop();
  rmSync(folder, { recursive: true, force: true });
});

function confs(port: number): Record<string, string> {
  const at = `127.0.0.1:${port}`;
  const percent = encodeURIComponent;
  return {
    https: `https://${at}/in/${SECRETS.segment}?header_Authorization=Bearer%20${SECRETS.header}&Api-Key=${SECRETS.query}&signing-secret=whsec_${SECRETS.signing}`,
    sumo: `sumo://${at}/receiver/v1/http/${SECRETS.sumo}`,
    datadog: `datadog://${at}/api/v2/logs?header_DD-API-KEY=${SECRETS.datadog}`,
    azure: `azure://${at}/account/container/logs?sv=2022-11-02&ss=b&srt=o&sp=w&sig=${percent(SECRETS.azure)}`,
    // These cannot be reached, so that their errors are searched alone.
    s3: `s3://bucket?region=us-east-1&endpoint=https://127.0.0.1:1024&access-key-id=AK&secret-access-key=${SECRETS.s3}`,
    splunk: `splunk://127.0.0.1:8088/services/collector/raw?channel=c&header_Authorization=Splunk%20${SECRETS.splunk}`,
    gs: `gs://bucket/logs?credentials=${GOOGLE.credentials}`,
  };
}

async function call(method: string, path: string, body?: object): Promise<string> {
  const response = await fetch(`${program.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = `${method} ${path} ${response.status} ${await response.text()}`;
  answers.push(text);
  return text;
}

it('are found nowhere', { timeout: 120_000 }, async () => {
  const jobs = '/client/v4/accounts/acme/logpush/jobs';
  for (const [name, conf] of Object.entries(confs(receiver.port))) {
    const order = { name, dataset: 'audit_logs_v2', enabled: true, destination_conf: conf };
    await call('POST', jobs, { ...order, max_upload_interval_seconds: 1 });
    await call('POST', '/client/v4/accounts/acme/logpush/validate/destination', {
      destination_conf: conf,
    });
  }
  const line = JSON.stringify({
    account: { id: 'acme' },
    action: { type: 'create', result: 'success' },
  });
  expect(await ingest(program.url, [line])).toBe(true);
  await eventually('every job that was made has failed', 60_000, async () => {
    const list = await call('GET', jobs);
    return (list.match(/uploading to (?:https|sumo|datadog|azure)/g) ?? []).length >= 4;
  });
  await call('GET', '/metrics');
  // What they quoted was there to be hidden.
  expect(answers.at(-2)?.match(/You sent REDACTED/g)).toHaveLength(4);
  await program.terminate();

  const data = join(folder, 'data');
  const files = readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  expect(files.length).toBeGreaterThan(2);
  const places: [string, string][] = [
    ['the log', program.output],
    ...answers.map((text): [string, string] => [text.slice(0, 60), text]),
    ...files.map((file): [string, string] => [file, readFileSync(file, 'latin1')]),
  ];
  const found = PLANTED.flatMap((secret) =>
    formsOf(secret).flatMap((form) =>
      places.filter(([, text]) => text.includes(form)).map(([place]) => `${form} in ${place}`),
    ),
  );
  expect(found).toEqual([]);
});
