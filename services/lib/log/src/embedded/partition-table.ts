import type { PartitionBounds } from '@trailpush/core';

/** The bounds of all partitions as they are known to be on disk, and who waits for them to grow. */
export class PartitionTable {
  readonly #bounds: PartitionBounds[];
  readonly #waiting: Set<() => void>[];

  constructor(bounds: readonly PartitionBounds[]) {
    this.#bounds = [...bounds];
    this.#waiting = bounds.map(() => new Set());
  }

  all(): readonly PartitionBounds[] {
    return [...this.#bounds];
  }

  /** @throws RangeError for a partition that does not exist. */
  of(partition: number): PartitionBounds {
    const bounds = this.#bounds[partition];
    if (bounds === undefined) {
      throw new RangeError(`partition ${partition} is not one of the ${this.#bounds.length}`);
    }
    return bounds;
  }

  /** Takes over what the thread of the log reported. */
  update(reported: readonly PartitionBounds[]): void {
    for (const bounds of reported) {
      const { partition } = bounds;
      const grown = bounds.end > this.of(partition).end;
      this.#bounds[partition] = bounds;
      if (grown) for (const wake of this.#waiting[partition] ?? []) wake();
    }
  }

  /** Calls `wake` whenever the partition grows, until the returned function is called. */
  onGrowth(partition: number, wake: () => void): () => void {
    this.#waiting[partition]?.add(wake);
    return () => this.#waiting[partition]?.delete(wake);
  }
}
