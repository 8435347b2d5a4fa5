import type { Job } from '@trailpush/core';
import { describe, expect, it } from 'vitest';
import { routesOf } from './routes.ts';

function taker(name: string, accountId: string, dataset: string, outputOptions: string | null) {
  const spec = { dataset, outputOptions, logpullOptions: null };
  return { name, open: { job: { accountId, spec } as Job } };
}

describe('routes', () => {
  it('have those side by side that want the same lines, and those of one dataset', () => {
    const routes = routesOf([
      taker('a', 'acme', 'audit_logs_v2', null),
      taker('b', 'acme', 'audit_logs', null),
      taker('c', 'acme', 'audit_logs_v2', '{"output_type":"csv"}'),
      taker('d', 'beta', 'audit_logs_v2', null),
      taker('e', 'acme', 'audit_logs', '{}'),
      taker('f', 'acme', 'audit_logs_v2', null),
      taker('g', 'acme', 'audit_logs', null),
    ]);
    const namesOf = (account: string) => routes.get(account)?.map(({ name }) => name);
    expect(namesOf('acme')?.toSorted()).toEqual(['a', 'b', 'c', 'e', 'f', 'g']);
    const place = (name: string) => namesOf('acme')?.indexOf(name) ?? -1;
    expect(Math.abs(place('a') - place('f'))).toBe(1);
    expect(Math.abs(place('b') - place('g'))).toBe(1);
    const first = ['b', 'e', 'g'].map(place).toSorted();
    expect([first, ['a', 'c', 'f'].map(place).toSorted()].toSorted()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(namesOf('beta')).toEqual(['d']);
  });
});
