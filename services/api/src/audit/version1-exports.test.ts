import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { describe, expect, it } from 'vitest';

import { Version1Exports } from './version1-exports.ts';
import type { Version1Search } from './version1-log.ts';
import { readVersion1Query } from './version1-query.ts';

const SEARCH: Version1Search = { ...readVersion1Query('/?export=true', 100_000), accounts: ['a'] };
const ENTRY = auditEntry({ tenant: account('a'), id: 'event', action_description: 'x' });
/** More than a stream reads ahead. */
const PART = Array.from({ length: 2000 }, () => ENTRY);

function endless() {
  const clock = new FakeClock();
  async function* all() {
    for (;;) yield PART;
  }
  return { clock, exports: new Version1Exports({ all }, clock) };
}

describe('an export', () => {
  it('of a client that takes nothing ends after a minute', async () => {
    const { clock, exports } = endless();
    const stream = await exports.open(SEARCH);
    const failed = new Promise<Error>((resolve) => stream.once('error', resolve));
    expect(stream.read(10)).toBeNull();
    await expect.poll(() => stream.readableLength).toBeGreaterThan(0);
    await clock.advance(55_000);
    expect(stream.destroyed).toBe(false);
    await clock.advance(10_000);
    expect((await failed).message).toBe('the client took nothing for 60 s');
  });

  it('is refused while 16 others run, and has a place when one ends', async () => {
    const { exports } = endless();
    const streams = await Promise.all(Array.from({ length: 16 }, () => exports.open(SEARCH)));
    await expect(exports.open(SEARCH)).rejects.toThrow('16 exports of audit logs are running');
    const closed = new Promise((resolve) => streams[0]!.once('close', resolve));
    streams[0]!.destroy();
    await closed;
    const next = await exports.open(SEARCH);
    for (const stream of [...streams, next]) stream.destroy();
  });
});
