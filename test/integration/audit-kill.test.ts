import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Cloudflare from 'cloudflare';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Load } from '../kit/system/load.ts';
import { ADMIN_TOKEN, eventually, Program } from '../kit/system/program.ts';

/**
 * Goal: SIGKILL at any moment neither loses nor repeats an event of the audit store.
 * Method: the real program, killed while events are sent; the official SDK reads what is stored.
 */
const EVENTS = 8000;
const KILLS = 3;
const ACCOUNT = 'acme';
const DAY_MS = 86_400_000;
const folder = mkdtempSync(join(tmpdir(), 'trailpush-audit-kill-'));
let program: Program;

beforeAll(async () => {
  mkdirSync(join(folder, 'out'));
  program = await Program.start({ command: 'up', dataFolder: folder });
});

afterAll(async () => {
  await program.kill();
  rmSync(folder, { recursive: true, force: true });
});

it('stores every acknowledged event once, through kills', { timeout: 180_000 }, async () => {
  const load = new Load([program.url], ACCOUNT);
  const sending = load.send(EVENTS);
  let isSent = false;
  void sending.finally(() => (isSent = true));
  for (let kill = 0; kill < KILLS; kill += 1) {
    const due = (EVENTS * (kill + Math.random())) / KILLS;
    await eventually('the next kill is due', 60_000, () => load.acknowledged.size >= due || isSent);
    await program.kill();
    await program.start();
  }
  await sending;
  let ids: string[] = [];
  await eventually('all events are stored', 60_000, async () => {
    ids = await storedIds();
    const stored = new Set(ids);
    return [...load.acknowledged].every((id) => stored.has(id));
  });
  expect(new Set(ids).size).toBe(ids.length);
  const foreign = ids.filter((id) => !load.acknowledged.has(id) && !load.uncertain.has(id));
  expect(foreign).toEqual([]);
});

async function storedIds(): Promise<string[]> {
  const client = new Cloudflare({ apiToken: ADMIN_TOKEN, baseURL: `${program.url}/client/v4` });
  const at = (ms: number) => new Date(ms).toISOString();
  const window = { since: at(Date.now() - DAY_MS), before: at(Date.now() + DAY_MS) };
  const ids: string[] = [];
  const pages = client.accounts.logs.audit.list({ account_id: ACCOUNT, ...window, limit: 1000 });
  for await (const { id } of pages) ids.push(String(id));
  return ids;
}
