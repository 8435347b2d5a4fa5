import { join } from 'node:path';

/**
 * How Node is started, for a small resident memory. What each gives is in test/bench/RESULTS.md.
 * - A young generation of 1 MiB semi-spaces: nearly everything dies at once, and larger spaces are just kept.
 * - A heap that may double between two collections, not quadruple: what a small young generation promotes
 *   is mostly dead. It costs about 5 % more CPU time and saves 50 to 100 MB.
 * - Two arenas of glibc's allocator instead of eight a core, and every block from 64 KiB on from the system:
 *   compressed slices live long and die in any order, and leave holes in a heap that nothing else fills.
 * - A cache of compiled code: what strips the types takes about 15 MB in each of the three threads, and is
 *   not loaded when all modules come from the cache. It lies below node_modules, because whoever may write
 *   there may change the code anyway; a folder that cannot be written is not used.
 */
export const NODE_FLAGS = ['--max-semi-space-size=1', '--heap-growing-percent=100'];
/**
 * A process that only indexes: a batch of events lives for longer than a small young generation, which would copy each of
 * them; a quarter of its time went there.
 */
export const INDEXER_NODE_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=100'];
export const NODE_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '262144',
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../../../node_modules/.cache/trailpush'),
};
