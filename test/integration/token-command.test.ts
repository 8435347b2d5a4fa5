import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runCommand } from '../kit/system/command.ts';
import { Program } from '../kit/system/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'trailpush-token-'));
let program: Program | undefined;
afterAll(async () => {
  await program?.kill();
  rmSync(folder, { recursive: true, force: true });
});

const token = (...args: string[]) =>
  runCommand(['token', ...args, '--data', folder], { TRAILPUSH_ADMIN_TOKEN: 'test-admin-token' });
const create = async (...args: string[]) => {
  const { exitCode, stdout } = await token('create', '--account', 'acme', ...args);
  expect(exitCode).toBe(0);
  return stdout.trim();
};
const WRITE = ['--permission', 'Logs Write'];

async function use(value: string, account = 'acme'): Promise<number> {
  const url = `${program?.url ?? ''}/client/v4/accounts/${account}/logpush/jobs`;
  return (await fetch(url, { headers: { authorization: `Bearer ${value}` } })).status;
}

describe('trailpush token', () => {
  it('makes, lists and revokes tokens, with and without a running program', async () => {
    const before = await create(...WRITE, '--name', 'made before', '--expires', '90d');
    program = await Program.start({ command: 'up', dataFolder: folder });
    const during = await create(...WRITE, '--name', 'made meanwhile');
    expect([await use(before), await use(during), await use(during, 'other')]).toEqual([
      200, 200, 403,
    ]);
    const { stdout } = await token('list');
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^[0-9a-f]{32} {2}active {2}acme {2}Logs Write {2}until 20.*"made before"$/,
    );
    expect(stdout).not.toContain(before.slice(-20));
    for (const line of lines) {
      const revoked = await token('revoke', line.split(' ')[0] ?? '');
      expect(revoked.stdout).toContain('is revoked');
    }
    expect([await use(before), await use(during)]).toEqual([401, 401]);
  });

  it('makes tokens of organizations, which open no account of the same id', async () => {
    const permissions = ['--permission', 'Audit Logs Read'];
    const made = await token('create', '--organization', 'acme', ...permissions);
    const { stdout } = await token('list');
    expect(stdout).toContain('  organization:acme  Audit Logs Read  ');
    const statuses = [];
    for (const tenant of ['organizations/acme', 'accounts/acme']) {
      const url = `${program?.url ?? ''}/client/v4/${tenant}/logs/audit?order=ingested`;
      const headers = { authorization: `Bearer ${made.stdout.trim()}` };
      statuses.push((await fetch(url, { headers })).status);
    }
    expect(statuses).toEqual([200, 403]);
  });

  it.each<[string[], RegExp]>([
    [
      ['create', ...WRITE],
      /^trailpush: name accounts with --account and organizations with --organization, or say --all-accounts\n$/,
    ],
    [
      ['create', '--account', 'a', '--permission', 'All'],
      /^trailpush: option '--permission <name...>' .*Logs Write.*\n$/,
    ],
    [['create', '--account', 'a', ...WRITE, '--expires', 'soon'], /^trailpush: --expires must be/],
    [['revoke', 'nobody'], /^trailpush: there is no token with this id\n$/],
  ])('says in one line what is wrong with %j', async (args, message) => {
    const { exitCode, stderr } = await token(...args);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(2);
  });
});
