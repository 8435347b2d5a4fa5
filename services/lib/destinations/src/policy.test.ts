import { describe, expect, it } from 'vitest';

import { parseAddress, parseCidrs } from './address.ts';
import { ownAddresses, ruleAllows } from './policy.ts';

const RULE = { allowPrivate: [], privateOnly: false };
const address = (text: string): NonNullable<ReturnType<typeof parseAddress>> => parseAddress(text)!;

describe("this machine's own addresses", () => {
  const own = [address('93.184.216.34'), address('2606:4700::1')];

  it.each(['93.184.216.34', '::ffff:93.184.216.34', '2606:4700:0::1'])(
    'are no destinations, although %s is public',
    (text) => expect(ruleAllows(RULE, address(text), own)).toBe(false),
  );

  it('do not stand in the way of their neighbours', () => {
    expect(ruleAllows(RULE, address('93.184.216.35'), own)).toBe(true);
    expect(ruleAllows(RULE, address('2606:4700::2'), own)).toBe(true);
  });

  it('can be allowed by the operator', () => {
    const rule = { ...RULE, allowPrivate: parseCidrs('93.184.216.34') };
    expect(ruleAllows(rule, address('93.184.216.34'), own)).toBe(true);
  });

  it('are those of its interfaces', () => {
    expect(ownAddresses()).toContainEqual(address('127.0.0.1'));
  });
});
