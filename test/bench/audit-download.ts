import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { AuditStore } from '@trailpush/core';
import { systemClock as clock } from '@trailpush/runtime';

import { formatOf } from '../../services/api/src/audit/download-routes.ts';
import { Downloads } from '../../services/api/src/audit/downloads.ts';
import { account } from '../kit/audit-entry.ts';
import { END_MICROS, type AuditWorld } from './audit-world.ts';
import { childCpuSeconds } from './child-cpu.ts';

const FORMATS = ['ndjson', 'csv'] as const;
/** Another process, so that its work is not counted. Prints bytes and lines. */
const CLIENT = `
  let bytes = 0, lines = 0;
  for await (const chunk of (await fetch(process.argv[1])).body) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
  }
  console.log(JSON.stringify({ bytes, lines }));`;
const SAMPLE_MS = 20;
const MB = 1e6;

/** All events of the largest account, over HTTP, to a client that takes what it can get. */
export async function measureDownloads(
  store: AuditStore,
  world: AuditWorld,
  onProgress: (name: string) => void,
): Promise<string[][]> {
  const downloads = new Downloads({ audit: store, clock });
  const server = createServer((request, response) => {
    const format = FORMATS.find((name) => request.url === `/${name}`);
    const filter = { tenant: account(world.largest), filters: [], direction: 'asc' as const };
    const query = { ...filter, sinceMicros: 0, beforeMicros: END_MICROS * 2 };
    if (format === undefined) throw new Error(`there is no format ${String(request.url)}`);
    void downloads
      .open(query, formatOf(format, query.tenant))
      .then((stream) => stream.pipe(response));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const rows = [];
  for (const format of FORMATS) {
    onProgress(`download, ${format}`);
    rows.push([format, ...(await download(`http://127.0.0.1:${port}/${format}`))]);
  }
  server.close();
  return [
    ['download', 'events', 'MB', 'MB/s', 'CPU s', 'database CPU s', 'MB before', 'MB peak'],
    ...rows,
  ];
}

async function download(url: string): Promise<string[]> {
  const residentBefore = process.memoryUsage.rss();
  let resident = residentBefore;
  const stopSamples = clock.every(SAMPLE_MS, () => {
    resident = Math.max(resident, process.memoryUsage.rss());
  });
  const [cpuBefore, serverBefore] = [process.cpuUsage(), childCpuSeconds()];
  const startedMs = clock.monotonic();
  const client = spawn(process.execPath, ['--input-type=module', '-e', CLIENT, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  client.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(client, 'close');
  const seconds = (clock.monotonic() - startedMs) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  const server = childCpuSeconds() - serverBefore;
  stopSamples();
  const { bytes, lines } = JSON.parse(text) as { bytes: number; lines: number };
  const numbers = [bytes / MB, bytes / MB / seconds, (cpu.user + cpu.system) / 1e6, server];
  const memory = [residentBefore, resident].map((of) => (of / MB).toFixed(0));
  return [String(lines), ...numbers.map((of) => of.toFixed(1)), ...memory];
}
