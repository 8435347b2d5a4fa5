import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '@trailpush/core';

export interface SmallDisk {
  readonly folder: string;
  unmount(): void;
}

/** A disk of its own that can be filled, or why there can be none: mounting needs root. */
export function mountSmallDisk(mebibytes: number): SmallDisk | { readonly unavailable: string } {
  const folder = mkdtempSync(join(tmpdir(), 'trailpush-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder], {
      stdio: 'pipe',
    });
  } catch (error) {
    rmSync(folder, { recursive: true });
    return { unavailable: `a small disk cannot be mounted here: ${messageOf(error).trim()}` };
  }
  return {
    folder,
    unmount: () => {
      execFileSync('umount', [folder]);
      rmSync(folder, { recursive: true });
    },
  };
}
