import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ConfigError, Secret } from '@trailpush/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { secretsInDataFolder } from './kept-secrets.ts';

const none = { adminToken: undefined, secretKey: undefined };

describe('secretsInDataFolder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trailpush-secrets-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('generates both, readable by their owner alone, and keeps them', async () => {
    const data = join(folder, 'data');
    const first = await secretsInDataFolder(data, none);
    const second = await secretsInDataFolder(data, none);
    expect(first.adminToken.reveal()).toMatch(/^tp_[\w-]{43}$/);
    expect(Buffer.from(first.secretKey.reveal(), 'base64')).toHaveLength(32);
    expect(second.adminToken.reveal()).toBe(first.adminToken.reveal());
    expect(second.secretKey.reveal()).toBe(first.secretKey.reveal());
    expect(first.adminTokenFile).toBe(join(data, 'admin-token'));
    expect((await readdir(data)).sort()).toEqual(['admin-token', 'secret-key']);
    for (const name of ['admin-token', 'secret-key']) {
      expect((await stat(join(data, name))).mode & 0o777).toBe(0o600);
    }
  });

  it('gives racing processes one and the same key', async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, () => secretsInDataFolder(folder, none)),
    );
    expect(new Set(all.map(({ secretKey }) => secretKey.reveal())).size).toBe(1);
    expect(new Set(all.map(({ adminToken }) => adminToken.reveal())).size).toBe(1);
  });

  it('writes nothing when both are given', async () => {
    const given = { adminToken: new Secret('given-token'), secretKey: new Secret('given-key') };
    const secrets = await secretsInDataFolder(folder, given);
    expect(secrets).toEqual({ ...given, adminTokenFile: undefined });
    expect(await readdir(folder)).toEqual([]);
  });

  it('names a damaged file instead of replacing the key', async () => {
    await writeFile(join(folder, 'secret-key'), 'short\n');
    const failed = secretsInDataFolder(folder, none);
    await expect(failed).rejects.toThrow(ConfigError);
    await expect(failed).rejects.toThrow(/secret-key is damaged.*TRAILPUSH_SECRET_KEY/);
  });

  it('says what to do when the folder cannot be made', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(secretsInDataFolder(join(folder, 'file'), none)).rejects.toThrow(
      /cannot keep a generated secret in .*make the data folder writable or set TRAILPUSH_ADMIN_TOKEN/,
    );
  });
});
