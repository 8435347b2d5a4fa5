import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../kit/system/command.ts';
import { freePort, Program } from '../kit/system/program.ts';

/** What keeps the program from starting is said in one line, which names the setting to change. */
const folder = mkdtempSync(join(tmpdir(), 'trailpush-start-'));
const dataFolder = join(folder, 'data');
const notAFolder = join(folder, 'file');
let occupied: Server;

beforeAll(async () => {
  writeFileSync(notAFolder, '');
  occupied = createServer().listen(0, '127.0.0.1');
  await once(occupied, 'listening');
});

afterAll(() => {
  occupied.close();
  rmSync(folder, { recursive: true });
});

/** Runs `trailpush up`, which must end by itself with one line on standard error. */
async function failedStart(
  environment: Readonly<Record<string, string>>,
  ...flags: string[]
): Promise<{ exitCode: number | null; line: string }> {
  const settings = { TRAILPUSH_DATA: dataFolder, PORT: '0', LOG_LEVEL: 'warn', ...environment };
  const { exitCode, stdout, stderr } = await runCommand(['up', ...flags], settings);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^trailpush: [^\n]+\n$/);
  return { exitCode, line: stderr };
}

const REFUSED: readonly (readonly [environment: Record<string, string>, line: RegExp])[] = [
  [{ PORT: 'abc' }, /PORT must be a whole number from 0 to 65535 .*but is "abc"/],
  [{ TRAILPUSH_FILEROOT: '/x' }, /TRAILPUSH_FILEROOT .*did you mean TRAILPUSH_FILE_ROOT\?/],
  [{ KAFKA_BROKERS: 'nohost' }, /KAFKA_BROKERS must be .*kafka-1:9092/],
  [{ KAFKA_SASL_USERNAME: 'u' }, /KAFKA_SASL_USERNAME is set but KAFKA_BROKERS is not/],
  [{ KAFKA_BROKERS: 'h:1', KAFKA_SASL_USERNAME: 'u' }, /KAFKA_SASL_MECHANISM is missing/],
  [
    { TRAILPUSH_MAX_RECORD_BYTES: '100000000' },
    /TRAILPUSH_MAX_RECORD_BYTES .*TRAILPUSH_MEMORY_BUDGET_BYTES/,
  ],
  [
    { TRAILPUSH_GOOGLE_KEY_FILE: notAFolder },
    /TRAILPUSH_GOOGLE_KEY_FILE must name the JSON key of a service account.*no JSON object/,
  ],
  [{ TRAILPUSH_DATA: notAFolder }, /data folder .*TRAILPUSH_DATA/],
  [{ TRAILPUSH_HOST: '192.0.2.1' }, /cannot listen on 192\.0\.2\.1 port 0 .*TRAILPUSH_HOST/],
];

describe('the start of the program', () => {
  it.each(REFUSED.map((refused) => [Object.keys(refused[0]).join(' and '), ...refused] as const))(
    'is refused for a wrong %s',
    async (_names, environment, message) => {
      const { exitCode, line } = await failedStart(environment);
      expect(line).toMatch(message);
      expect(exitCode).toBe(2);
    },
  );

  it.each([
    ['TRAILPUSH_SECRET_KEY', 'hunter2', /must be 32 random bytes.*openssl rand/],
    ['TRAILPUSH_ADMIN_TOKEN', 'hunter2', /must be 8 to 512/],
    ['DATABASE_URL', 'mysql://u:hunter2@h/d', /must be a URL such as postgres:/],
  ])('does not repeat what %s was set to', async (setting, value, message) => {
    const { exitCode, line } = await failedStart({ [setting]: value });
    expect(line).toContain(`trailpush: ${setting} `);
    expect(line).toMatch(message);
    expect(line).not.toContain('hunter2');
    expect(exitCode).toBe(2);
  });

  it('names a flag as it was typed', async () => {
    const { exitCode, line } = await failedStart({}, '--port', '70000');
    expect(line).toMatch(/^trailpush: --port must be .*but is "70000"/);
    expect(exitCode).toBe(2);
  });

  it('says when the port or the data folder is in use', async () => {
    const { port } = occupied.address() as AddressInfo;
    const { exitCode, line } = await failedStart({ PORT: String(port) });
    expect(line).toMatch(new RegExp(`port ${port} .*EADDRINUSE.*another port \\(--port, PORT\\)`));
    expect(exitCode).toBe(2);

    const program = await Program.start({ command: 'up', dataFolder });
    try {
      const second = await failedStart({});
      expect(second.line).toContain(`in use by another process (pid ${program.pid})`);
      expect(second.line).toContain('TRAILPUSH_DATA');
      expect(second.exitCode).toBe(2);
    } finally {
      await program.kill();
    }
  });

  it('fails when the database cannot be reached, and says where it was looked for', async () => {
    const port = await freePort();
    const DATABASE_URL = `postgres://u:hunter2@127.0.0.1:${port}/d`;
    const { exitCode, line } = await failedStart({ DATABASE_URL });
    expect(line).toContain(`PostgreSQL at 127.0.0.1:${port} cannot be reached`);
    expect(line).toContain('DATABASE_URL');
    expect(line).not.toContain('hunter2');
    expect(exitCode).toBe(1);
  });

  it('fails when no broker can be reached, and says where it was looked for', async () => {
    const KAFKA_BROKERS = `127.0.0.1:${await freePort()}`;
    const { exitCode, line } = await failedStart({ KAFKA_BROKERS });
    expect(line).toContain(KAFKA_BROKERS);
    expect(line).toContain('KAFKA_BROKERS');
    expect(exitCode).toBe(1);
  });
});
