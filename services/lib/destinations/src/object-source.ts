import type { Dirent } from 'node:fs';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** An object that was delivered once. */
export interface FoundObject {
  /** The whole key, or the path below the folder. */
  readonly name: string;
  readonly bytes: number;
}

/** Where delivered objects are read again. */
export interface ObjectSource {
  /** All objects, in order of name within a folder; not what Trailpush keeps beside them. */
  list(): AsyncIterable<FoundObject>;
  read(name: string): AsyncIterable<Uint8Array>;
  close(): void;
}

/** Query engines skip these as well: `_trailpush/`, what is hidden, and the text of a proof of ownership. */
export function isObjectName(name: string): boolean {
  const segments = name.split('/');
  if (segments.some((segment) => /^[_.]/.test(segment))) return false;
  return !segments.at(-1)?.startsWith('ownership-challenge');
}

/** The objects in a folder of this machine, and in those below it. */
export function openFolder(folder: string): ObjectSource {
  return {
    list: () => listFolder(folder, ''),
    read: (name) => createReadStream(join(folder, name), { highWaterMark: 1 << 18 }),
    close: () => undefined,
  };
}

async function* listFolder(folder: string, below: string): AsyncGenerator<FoundObject, void, void> {
  const found: Dirent[] = await readdir(join(folder, below), { withFileTypes: true });
  for (const entry of found.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (!isObjectName(name)) continue;
    if (entry.isDirectory()) yield* listFolder(folder, name);
    else if (entry.isFile()) yield { name, bytes: (await stat(join(folder, name))).size };
  }
}
