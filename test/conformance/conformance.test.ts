import { describe, expect, it } from 'vitest';

import { CASES, type Collection, type Driver } from './cases.ts';
import { drivers as access } from './drivers/access.ts';
import { drivers as api } from './drivers/api.ts';
import { drivers as apiInput } from './drivers/api-input.ts';
import { drivers as clients } from './drivers/clients.ts';
import { drivers as delivery } from './drivers/delivery.ts';
import { drivers as destinations } from './drivers/destinations.ts';
import { drivers as events } from './drivers/events.ts';
import { drivers as format } from './drivers/format.ts';
import { drivers as query } from './drivers/query.ts';
import { drivers as secrets } from './drivers/secrets.ts';
import { drivers as supplyChain } from './drivers/supply-chain.ts';
import { UNDRIVEN } from './undriven.ts';

const DRIVERS = {
  access,
  api,
  'api-input': apiInput,
  clients,
  delivery,
  destinations,
  events,
  format,
  query,
  secrets,
  'supply-chain': supplyChain,
};

/** Everything that claims `key` (an id or a kind), by name. */
function claims(collection: Collection, key: string): readonly (readonly [string, Driver?])[] {
  const drivers = Object.entries(DRIVERS).flatMap(([name, tables]) => {
    const driver = tables[collection]?.[key];
    return driver === undefined ? [] : [[`drivers/${name}.ts`, driver] as const];
  });
  return key in UNDRIVEN[collection] ? [...drivers, ['undriven.ts']] : drivers;
}

describe.each(['logpush', 'badInputs'] as const)('the cases of %s', (collection) => {
  const entries = CASES[collection];

  it('have one driver each, or a reason for having none', () => {
    const wrong = entries.flatMap(({ id, kind }) => {
      const byId = claims(collection, id);
      const found = byId.length > 0 ? byId : claims(collection, kind);
      if (found.length === 1) return [];
      return [`${id} is claimed by ${found.map(([name]) => name).join(' and ') || 'nothing'}`];
    });
    expect(wrong).toEqual([]);
  });

  it('are named by every key of a driver or a reason', () => {
    const known = new Set(entries.flatMap(({ id, kind }) => [id, kind]));
    const keys = [
      ...Object.values(DRIVERS).flatMap((tables) => Object.keys(tables[collection] ?? {})),
      ...Object.keys(UNDRIVEN[collection]),
    ];
    expect(keys.filter((key) => !known.has(key))).toEqual([]);
  });

  for (const entry of entries) {
    const byId = claims(collection, entry.id);
    const [claim] = byId.length > 0 ? byId : claims(collection, entry.kind);
    const driver = claim?.[1];
    if (driver !== undefined) it(entry.id, async () => driver(entry));
  }
});
