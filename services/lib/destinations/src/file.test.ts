import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { AttemptResult } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { bodyOf, makeObject, put } from '@trailpush/test/kit/contracts/destination/suite.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openDestination } from './open-destination.ts';
import { parseDestination } from './registry.ts';

const { logger } = createRecordingLogger();

describe('file destinations', () => {
  let base: string;
  let root: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'trailpush-file-'));
    root = join(base, 'out');
    await mkdir(root);
  });
  afterEach(() => rm(base, { recursive: true }));

  async function putAt(key: string, fileRoot = root): Promise<AttemptResult> {
    const parsed = parseDestination('file://logs', { allowPrivate: [], fileRoot });
    const destination = openDestination(parsed, { clock: systemClock, logger });
    return put(destination, makeObject({ key }));
  }

  it.each([
    ['file://logs/{DATE}', 'logs/{DATE}'],
    ['file://logs/', 'logs'],
    ['file://ROOT/logs/{DATE}', 'logs/{DATE}'],
    ['file://ROOT/..logs', '..logs'],
    ['file://a%20b', 'a b'],
  ])('takes %s for the folder %s below the root', (conf, folder) => {
    const parsed = parseDestination(conf.replace('ROOT', root), {
      allowPrivate: [],
      fileRoot: root,
    });
    expect(parsed.pathTemplate).toBe(folder);
    expect(parsed.location).toBe(`file://${root}`);
  });

  it.each([
    ['file:///etc/cron.d', 'does not lie below TRAILPUSH_FILE_ROOT'],
    ['file://ROOT-beside/x', 'does not lie below TRAILPUSH_FILE_ROOT'],
    ['file:///', 'does not lie below TRAILPUSH_FILE_ROOT'],
    ['file://ROOT', 'needs a folder'],
    ['file://../x', 'has a segment ".."'],
    ['file://logs?mode=777', 'unknown parameter mode for file: it takes none'],
  ])('refuses %s', (conf, message) => {
    const policy = { allowPrivate: [], fileRoot: root };
    expect(() => parseDestination(conf.replace('ROOT', root), policy)).toThrow(message);
  });

  it('are off without a root', () => {
    expect(() =>
      parseDestination('file://logs', { allowPrivate: [], fileRoot: undefined }),
    ).toThrow('an operator can allow them with TRAILPUSH_FILE_ROOT');
  });

  it('follow no symbolic link out of the root, and make nothing behind it', async () => {
    const outside = join(base, 'outside');
    await mkdir(outside);
    await symlink(outside, join(root, 'link'));
    const result = await putAt('link/deep/o.log.gz');
    expect(result.verdict.kind).toBe('refused');
    expect(result.message).toContain('leads out of TRAILPUSH_FILE_ROOT');
    expect(await readdir(outside)).toEqual([]);
  });

  it('may have a root that is itself reached through a symbolic link', async () => {
    await symlink(root, join(base, 'alias'));
    expect((await putAt('o.log.gz', join(base, 'alias'))).verdict.kind).toBe('delivered');
    expect(await readdir(root)).toEqual(['o.log.gz']);
  });

  it('climb out by no key', async () => {
    expect((await putAt('../o.log.gz')).verdict.kind).toBe('refused');
    expect(await readdir(base)).toEqual(['out']);
  });

  it('replace an object whole and leave no other file behind', async () => {
    await writeFile(join(root, 'o.log.gz'), 'an older, longer file that was cut');
    const object = makeObject({ key: 'o.log.gz' });
    const parsed = parseDestination('file://logs', { allowPrivate: [], fileRoot: root });
    const destination = openDestination(parsed, { clock: systemClock, logger });
    expect((await put(destination, object)).verdict.kind).toBe('delivered');
    expect((await readFile(join(root, 'o.log.gz'))).equals(bodyOf(object))).toBe(true);
    expect(await readdir(root)).toEqual(['o.log.gz']);
  });

  it.each([
    ['a file is where a folder should be', 'taken/o.log.gz', 'ENOTDIR'],
    ['a folder is where the object should be', 'folder', 'EISDIR'],
    ['the path is too long', `${'x'.repeat(300)}/o.log.gz`, 'ENAMETOOLONG'],
  ])('say so when %s', async (words, key, code) => {
    await writeFile(join(root, 'taken'), '');
    await mkdir(join(root, 'folder'));
    const result = await putAt(key);
    expect(result.verdict.kind).toBe('refused');
    expect(result.message).toContain(words);
    expect(result.message).toContain(code);
    expect((await readdir(root)).sort()).toEqual(['folder', 'taken']);
  });

  it('say so when the root is gone, and do not make it', async () => {
    const result = await putAt('o.log.gz', join(base, 'unmounted'));
    expect(result.verdict.kind).toBe('refused');
    expect(result.message).toContain('TRAILPUSH_FILE_ROOT');
    expect(await readdir(base)).toEqual(['out']);
  });
});
