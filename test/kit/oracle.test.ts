import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';

import { DeliveryOracle } from './oracle.ts';

const line = (id: string, account = 'a') =>
  `${JSON.stringify({ AccountID: account, AuditLogID: id, Raw: { AuditLogID: 'inner' } })}\n`;
const object = (name: string, ...lines: string[]) => ({ name, body: gzipSync(lines.join('')) });
const none = { count: 0, examples: [] };

describe('the delivery oracle', () => {
  test('finds nothing when every event arrived once', () => {
    const oracle = new DeliveryOracle();
    oracle.add(object('one', line('1'), line('2', 'b')));
    oracle.add({ name: 'plain', body: Buffer.from(line('3')) });
    oracle.add({ name: 'empty', body: Buffer.alloc(0) });
    expect(oracle.compare({ ids: ['3', '2', '1'], accounts: ['a', 'b'] })).toEqual({
      objects: 3,
      events: 3,
      missing: none,
      duplicates: none,
      unexpected: none,
      foreign: none,
    });
  });

  test('names what is missing, came twice, was not expected or belongs to others', () => {
    const oracle = new DeliveryOracle();
    oracle.add(object('one', line('1'), line('1'), line('x')));
    oracle.add(object('two', line('1'), line('2', 'other'), line('3', 'other')));
    expect(oracle.compare({ ids: ['1', '2', '3', '4', '5'], accounts: ['a'] })).toEqual({
      objects: 2,
      events: 6,
      missing: { count: 2, examples: ['4', '5'] },
      duplicates: {
        count: 2,
        examples: ['1 in one and in line 2 of one', '1 in one and in line 1 of two'],
      },
      unexpected: { count: 1, examples: ['x in one'] },
      foreign: { count: 2, examples: ['other: line 2 of two'] },
    });
  });

  test('counts all and names a few', () => {
    const ids = Array.from({ length: 100 }, (_, index) => `id-${index}`);
    const { missing } = new DeliveryOracle().compare({ ids, accounts: [] });
    expect(missing).toEqual({ count: 100, examples: ids.slice(0, 5) });
  });

  test.each([
    ['{"AccountID":"a"}\n', 'line 1 of it has no AuditLogID or no AccountID'],
    [`${line('1')}{"AccountID"\n`, 'line 2 of it is not JSON'],
    [`${line('1')}\n`, 'line 2 of it is not JSON'],
    [line('1').trimEnd(), 'it ends inside a line'],
  ])('refuses %j', (text, message) => {
    const oracle = new DeliveryOracle();
    expect(() => oracle.add({ name: 'it', body: Buffer.from(text) })).toThrow(message);
    expect(() => oracle.add({ name: 'it', body: gzipSync(text).subarray(0, -9) })).toThrow();
  });

  test('reads a folder and those below it, but no digests and no unfinished files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trailpush-oracle-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, '20260521', '_trailpush'), { recursive: true });
    await writeFile(join(folder, 'a.log.gz'), gzipSync(line('1')));
    await writeFile(join(folder, '20260521', 'b.log.gz'), gzipSync(line('2')));
    await writeFile(join(folder, '20260521', '_trailpush', 'digest.json'), 'not lines');
    await writeFile(join(folder, '.c.tmp'), 'not lines');
    const oracle = new DeliveryOracle();
    await oracle.addFolder(folder);
    const findings = oracle.compare({ ids: ['1', '2'], accounts: ['a'] });
    expect(findings).toMatchObject({ objects: 2, events: 2, missing: none, unexpected: none });
  });
});
