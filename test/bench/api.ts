/**
 * `npm run bench:api [-- --seconds N]`: how long list and get of jobs take, with 1,000 jobs stored and 50 requests a
 * second, while the batcher in the same process delivers 10,000 events a second. Prints one table.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { NODE_FLAGS } from '@trailpush/cli/node-settings';
import autocannon from 'autocannon';
import { ADMIN_TOKEN } from '../kit/api-fixture.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '40' } } });
const SECONDS = Number(values.seconds);
const REQUESTS_PER_SECOND = 50;
const WARM_UP_MS = 8_000;
const CALL_WARM_UP_SECONDS = 3;

const server = fork(join(import.meta.dirname, 'api-server.ts'), { execArgv: [...NODE_FLAGS] });

async function answerTo<Answer>(message?: string): Promise<Answer> {
  const answer = once(server, 'message') as Promise<[Answer]>;
  if (message !== undefined) server.send(message);
  return (await answer)[0];
}

const delivered = async () => (await answerTo<{ delivered: number }>('count')).delivered;

const place = await answerTo<{ url: string; account: string; jobId: number }>();

async function measure(name: string, path: string): Promise<readonly (string | number)[]> {
  const load = {
    url: `${place.url}/client/v4/accounts/${place.account}/logpush/${path}`,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    connections: 10,
    overallRate: REQUESTS_PER_SECOND,
  };
  // The first answers wait for code to be compiled.
  await autocannon({ ...load, duration: CALL_WARM_UP_SECONDS });
  const before = await delivered();
  const result = await autocannon({ ...load, duration: SECONDS });
  const events = ((await delivered()) - before) / SECONDS;
  const { p50, p90, p99, max } = result.latency;
  const failed = result.non2xx + result.errors + result.timeouts;
  const rate = result.requests.total / SECONDS;
  return [name, rate.toFixed(0), p50, p90, p99, max, failed, events.toFixed(0)];
}

const rows = [
  await measure('list, idle', 'jobs'),
  await measure('get, idle', `jobs/${place.jobId}`),
];
server.send('feed');
await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
rows.push(await measure('list, delivering', 'jobs'));
rows.push(await measure('get, delivering', `jobs/${place.jobId}`));
server.send('end');
await once(server, 'exit');

const { length: cores, 0: core } = cpus();
const load = loadavg()[0]?.toFixed(1) ?? '';
process.stdout.write(`\n${core?.model ?? 'unknown CPU'}, ${cores} cores, load average ${load}\n\n`);
const times = ['p50 ms', 'p90 ms', 'p99 ms', 'max ms'];
const header = ['call', 'requests/s', ...times, 'failed', 'events/s delivered'];
const table = [header, header.map(() => '---'), ...rows];
process.stdout.write(`${table.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`);
