import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '@trailpush/core';
import { lockDataFolder } from './data-folder-lock.ts';

describe('lockDataFolder', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'trailpush-lock-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('makes the folder, and gives it to one holder at a time', () => {
    const folder = join(dir, 'deep', 'data');
    const lock = lockDataFolder(folder);
    expect(() => lockDataFolder(folder)).toThrow(
      new ConfigError(
        `data folder ${folder} is in use by another process (pid ${process.pid}): ` +
          'stop it, or choose another folder (--data, TRAILPUSH_DATA)',
      ),
    );
    lock.release();
    lock.release();
    lockDataFolder(folder).release();
  });

  it('is held against other processes, and free once its process was killed', async () => {
    const module = fileURLToPath(new URL('./data-folder-lock.ts', import.meta.url));
    const script = `
      const { lockDataFolder } = await import(process.argv[1]);
      lockDataFolder(process.argv[2]);
      gc();
      process.stdout.write('locked');
      setInterval(() => undefined, 1000);
    `;
    const child = spawn(
      process.execPath,
      ['--expose-gc', '--input-type=module', '-e', script, module, dir],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(child.stdout, 'data');
    expect(() => lockDataFolder(dir)).toThrow(`in use by another process (pid ${child.pid})`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockDataFolder(dir).release();
  });

  it('says why a folder cannot be used', () => {
    const file = join(dir, 'file');
    writeFileSync(file, '');
    expect(() => lockDataFolder(join(file, 'data'))).toThrow(
      /^data folder .* cannot be used \(ENOTDIR.*TRAILPUSH_DATA/,
    );
  });
});
