import type { Job } from '@trailpush/core';

/**
 * Those who take records, by account. Those that want the same lines stand side by side, and those of one
 * dataset, since the sweep keeps only the record that it last loaded and the line that it last wrote.
 */
export function routesOf<T extends { readonly open: { readonly job: Job } }>(
  takers: Iterable<T>,
): ReadonlyMap<string, T[]> {
  const byLine = Map.groupBy(takers, ({ open: { job } }) => {
    const { dataset, outputOptions, logpullOptions } = job.spec;
    return JSON.stringify([dataset, outputOptions, logpullOptions]);
  });
  const inOrder = [...byLine.keys()].toSorted().flatMap((line) => byLine.get(line) ?? []);
  return Map.groupBy(inOrder, ({ open }) => open.job.accountId);
}
