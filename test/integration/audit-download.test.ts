import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EventSource } from '../kit/event-source.ts';
import { ingest } from '../kit/system/client.ts';
import { runCommand } from '../kit/system/command.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

const EVENTS = 700;
const WINDOW = ['--since', '2026-05-20', '--before', '2026-05-23'];
const source = new EventSource({ accounts: ['acme'], startMs: Date.UTC(2026, 4, 21) });
const folder = mkdtempSync(join(tmpdir(), 'trailpush-download-'));
const file = join(folder, 'audit.ndjson');
let program: Program | undefined;
afterAll(async () => {
  await program?.kill();
  rmSync(folder, { recursive: true, force: true });
});

const download = (...args: string[]) =>
  runCommand(['audit', 'download', 'acme', ...args, '--data', folder], {
    TRAILPUSH_ADMIN_TOKEN: ADMIN_TOKEN,
  });

describe('trailpush audit download', () => {
  it('writes all events of a range to a file, or some to standard output', async () => {
    program = await Program.start({ command: 'up', dataFolder: folder });
    const lines = Array.from({ length: EVENTS }, (_, index) => source.item(index));
    expect(await ingest(program.url, lines)).toBe(true);
    await eventually('all events are downloaded', 30_000, async () => {
      const { exitCode, stderr } = await download(...WINDOW, '--output', file);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      return readFileSync(file, 'utf8').split('\n').length === EVENTS + 1;
    });
    const ids = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(ids.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(
      Array.from({ length: EVENTS }, (_, index) => source.id(index)),
    );
    const one = await download(...WINDOW, '--format', 'csv', '--filter', `id=${source.id(7)}`);
    expect(one.stdout.trimEnd().split('\r\n')).toHaveLength(2);
    const refused = await download('--since', 'yesterday', '--before', '2026-05-23');
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.stderr).toMatch(/^trailpush: query parameter 'since' must be a date/);
  });

  it('keeps no file that is short', async () => {
    const server = createServer((_, response) => {
      response.write('{"id":"one"}\n', () => response.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const short = join(folder, 'short.ndjson');
    const url = `http://127.0.0.1:${port}`;
    const { exitCode, stderr } = await download(...WINDOW, '--output', short, '--url', url);
    server.close();
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^trailpush: the download broke off and is not kept \(.*\): try again/);
    expect([existsSync(short), existsSync(`${short}.part`)]).toEqual([false, false]);
  });
});
