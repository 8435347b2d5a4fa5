import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, realpath, rename, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';

import { type Conf, invalidConf, knownParams, printable } from './conf.ts';
import type { DestinationKind, OpenableDestination, Upload, Uploader } from './kind.ts';
import { parsePathTemplate } from './object-key.ts';
import type { DestinationPolicy } from './policy.ts';
import { TransportError } from './transport-error.ts';

const DEADLINE_MS = 120_000;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * `file://folder/{DATE}`, relative to `TRAILPUSH_FILE_ROOT`, or `file:///folder`, which must lie below it.
 */
export const file: DestinationKind = { scheme: 'file', parse };

function parse(conf: Conf, policy: DestinationPolicy): OpenableDestination {
  knownParams(conf, []);
  if (policy.fileRoot === undefined) {
    throw invalidConf(
      'file:// destinations are off: an operator can allow them with TRAILPUSH_FILE_ROOT',
    );
  }
  const root = resolve(policy.fileRoot);
  const isRelative = conf.authority !== '';
  const path = parsePathTemplate(`${conf.authority}${conf.path}`);
  const pathTemplate = isRelative ? path : belowRoot(root, path);
  if (pathTemplate === '') {
    throw invalidConf('file:// needs a folder, such as file://out/{DATE}');
  }
  return {
    kind: 'file',
    location: `file://${root}`,
    pathTemplate,
    exactlyOnce: true,
    secrets: [],
    open: () => openFolder(root),
  };
}

/** The part of an absolute folder below the root, compared by whole segments. */
function belowRoot(root: string, path: string): string {
  const folder = relative(root, `/${path}`);
  if (isAbove(folder)) {
    throw invalidConf(
      `folder /${printable(path)} does not lie below TRAILPUSH_FILE_ROOT, which is ${root}`,
    );
  }
  return folder;
}

function isAbove(relativePath: string): boolean {
  return relativePath === '..' || relativePath.startsWith(`..${sep}`) || isAbsolute(relativePath);
}

function openFolder(root: string): Uploader {
  return {
    deadlineMs: DEADLINE_MS,
    async upload(object, signal) {
      const folder = await makeFolder(root, dirname(object.key));
      await writeWhole(folder, basename(object.key), object, signal);
      return { kind: 'delivered' };
    },
    async close() {
      // Nothing is held between two attempts.
    },
  };
}

/**
 * Makes the folders of a key one by one and looks at the real path of each, so that a symbolic link
 * cannot lead out of the root. @returns the real path
 */
async function makeFolder(root: string, folder: string): Promise<string> {
  const realRoot = await realpath(root);
  let current = realRoot;
  for (const segment of folder.split('/')) {
    if (segment === '.') continue;
    const next = join(current, segment);
    if (await makeOne(next)) await syncFolder(current);
    current = await realpath(next);
    if (isAbove(relative(realRoot, current))) {
      throw new TransportError(
        'address_blocked',
        `folder ${printable(folder)} leads out of TRAILPUSH_FILE_ROOT through a symbolic link`,
      );
    }
  }
  return current;
}

/** @returns true when the folder is new */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Under a name of its own first, so that whoever reads sees the whole object or none. */
async function writeWhole(
  folder: string,
  name: string,
  object: Upload,
  signal: AbortSignal,
): Promise<void> {
  const temporary = join(folder, `.${randomUUID()}.tmp`);
  try {
    const handle = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o640);
    try {
      await writePieces(handle, object.body, signal);
      await handle.sync();
    } finally {
      await handle.close();
    }
    signal.throwIfAborted();
    await rename(temporary, join(folder, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

async function writePieces(
  handle: FileHandle,
  body: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<void> {
  for (const piece of body) {
    let written = 0;
    while (written < piece.byteLength) {
      signal.throwIfAborted();
      const { bytesWritten } = await handle.write(piece, written);
      written += bytesWritten;
    }
  }
}

/** A new name is durable only when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
