import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { DESTINATION_KINDS } from './registry.ts';

it.each(DESTINATION_KINDS.map(({ scheme }) => scheme))(
  'the kind %s has its contract test',
  (scheme) => {
    const path = new URL(`${scheme}.contract.test.ts`, import.meta.url);
    expect(readFileSync(path, 'utf8')).toContain(`destinationContract('${scheme}', {`);
  },
);
