import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { Clock, Logger } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { Lifecycle } from './lifecycle.ts';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** Sleeps end at once and move the time on. */
function jumpingClock(): Clock & { nowMs: number } {
  return {
    nowMs: 0,
    now() {
      return this.nowMs;
    },
    monotonic() {
      return this.nowMs;
    },
    async sleep(ms, signal) {
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      this.nowMs += ms;
    },
    every: () => () => undefined,
  };
}

const never = () => new Promise<void>(() => undefined);

describe('Lifecycle', () => {
  it('closes what was opened last first, once', async () => {
    const closed: string[] = [];
    const lifecycle = new Lifecycle({ clock: jumpingClock(), logger: silent });
    for (const name of ['store', 'log', 'http']) {
      lifecycle.defer(name, 1_000, async () => void closed.push(name));
    }
    expect(lifecycle.isShuttingDown).toBe(false);
    expect(await Promise.all([lifecycle.shutdown(), lifecycle.shutdown()])).toEqual([0, 0]);
    expect(closed).toEqual(['http', 'log', 'store']);
    expect(lifecycle.isShuttingDown).toBe(true);
  });

  it('goes on after a step that fails or hangs, and tells by the exit code', async () => {
    const closed: string[] = [];
    const clock = jumpingClock();
    const lifecycle = new Lifecycle({ clock, logger: silent });
    lifecycle.defer('store', 1_000, async () => void closed.push('store'));
    lifecycle.defer('log', 1_000, () => Promise.reject(new Error('no')));
    lifecycle.defer('uploads', 15_000, never);
    expect(await lifecycle.shutdown()).toBe(1);
    expect(closed).toEqual(['store']);
    expect(clock.nowMs).toBe(15_000);
  });

  it('spends 25 s at most', async () => {
    const clock = jumpingClock();
    const lifecycle = new Lifecycle({ clock, logger: silent });
    for (const name of ['a', 'b', 'c', 'd']) lifecycle.defer(name, 10_000, never);
    await lifecycle.shutdown();
    expect(clock.nowMs).toBe(25_000);
  });

  describe('in a process', () => {
    function run(body: string) {
      const runtime = fileURLToPath(new URL('./index.ts', import.meta.url));
      const script = `
        import { createLogger, Lifecycle, systemClock } from ${JSON.stringify(runtime)};
        const logger = createLogger({ level: 'info', stream: process.stdout });
        const lifecycle = new Lifecycle({ clock: systemClock, logger });
        lifecycle.listen();
        const alive = setInterval(() => undefined, 1000);
        ${body}
        console.log('ready');`;
      const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
        cwd: fileURLToPath(new URL('.', import.meta.url)),
      });
      let output = '';
      const seen = (text: string) =>
        new Promise<void>((resolve) => {
          if (output.includes(text)) resolve();
          child.stdout.on('data', () => {
            if (output.includes(text)) resolve();
          });
        });
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
      return { child, seen, output: () => output, ended: once(child, 'exit') };
    }

    it('ends with 0 after SIGTERM and its steps', async () => {
      const program = run(`lifecycle.defer('x', 1000, async () => console.log('closed'));`);
      await program.seen('ready');
      program.child.kill('SIGTERM');
      expect(await program.ended).toEqual([0, null]);
      expect(program.output()).toContain('closed');
    });

    it('ends at once at the second signal', async () => {
      const program = run(`lifecycle.defer('x', 20000, () => new Promise(() => undefined));`);
      await program.seen('ready');
      program.child.kill('SIGTERM');
      await program.seen('shutting down');
      program.child.kill('SIGINT');
      expect(await program.ended).toEqual([130, null]);
    });

    it('ends with 1 and one line after an error that nobody caught', async () => {
      const program = run(`void Promise.reject(new Error('bug at https://u:canary@host/'));`);
      expect(await program.ended).toEqual([1, null]);
      const lines = program
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{'));
      expect(lines).toHaveLength(1);
      expect(JSON.parse(lines[0]!)).toMatchObject({
        level: 'error',
        error: { message: 'bug at https://REDACTED@host/' },
      });
      expect(program.output()).not.toContain('canary');
    });
  });
});
