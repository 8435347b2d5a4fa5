import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { ConfigError, messageOf, type Secret } from '@trailpush/core';

import { adminTokenSchema, secretKeySchema } from './settings.ts';

export interface ProgramSecrets {
  readonly adminToken: Secret;
  /** 32 bytes in base64. */
  readonly secretKey: Secret;
  /** Where the admin token can be read, when it was not given by the environment. */
  readonly adminTokenFile: string | undefined;
}

/**
 * The secrets of this installation: those given, and for the rest the ones kept in the data folder
 * (`admin-token`, `secret-key`; mode 0600), which are generated on first use.
 * @throws ConfigError when the folder cannot be written or a kept file is damaged.
 */
export async function secretsInDataFolder(
  dataFolder: string,
  given: { readonly adminToken: Secret | undefined; readonly secretKey: Secret | undefined },
): Promise<ProgramSecrets> {
  const adminTokenFile = given.adminToken ? undefined : join(dataFolder, 'admin-token');
  return {
    adminToken:
      given.adminToken ??
      (await keptSecret({
        file: join(dataFolder, 'admin-token'),
        generate: () => `tp_${randomBytes(32).toString('base64url')}`,
        schema: adminTokenSchema,
        setting: 'TRAILPUSH_ADMIN_TOKEN',
      })),
    secretKey:
      given.secretKey ??
      (await keptSecret({
        file: join(dataFolder, 'secret-key'),
        generate: () => randomBytes(32).toString('base64'),
        schema: secretKeySchema,
        setting: 'TRAILPUSH_SECRET_KEY',
      })),
    adminTokenFile,
  };
}

interface Kept {
  readonly file: string;
  readonly generate: () => string;
  readonly schema: typeof adminTokenSchema;
  readonly setting: string;
}

async function keptSecret({ file, generate, schema, setting }: Kept): Promise<Secret> {
  try {
    const text = (await readIfPresent(file)) ?? (await createOnce(file, generate()));
    const parsed = schema.safeParse(text.trim());
    if (parsed.success) return parsed.data;
    throw new ConfigError(
      `${file} is damaged: its text ${parsed.error.issues[0]?.message ?? 'is not valid'}; restore it from a backup or set ${setting}`,
    );
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `cannot keep a generated secret in ${file}: ${messageOf(error)}; make the data folder writable or set ${setting}`,
    );
  }
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Appears whole or not at all, and the first of several processes wins. */
async function createOnce(file: string, text: string): Promise<string> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(8).toString('hex')}`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(`${text}\n`);
    await handle.sync();
    await link(temporary, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await handle.close();
    await unlink(temporary);
  }
  // A key that a power cut takes back would leave sealed destinations that nothing can open.
  const folderHandle = await open(folder, 'r');
  await folderHandle.sync().finally(() => folderHandle.close());
  return readFile(file, 'utf8');
}
