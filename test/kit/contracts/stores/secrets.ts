import { randomBytes } from 'node:crypto';

import { ConfigError, Secret } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { describe, expect, it } from 'vitest';

import { newName, SECRET_KEY, specOf, type Suite } from './suite.ts';

export function secretContract(suite: Suite): void {
  describe('a secret', () => {
    it('is nowhere in the database, in no form', async () => {
      const place = await suite.harness.create();
      const stores = await place.open({ secretKey: SECRET_KEY, clock: systemClock });
      const canary = 'cAnArY+/=&%{secret} of the customer';
      const destinationConf = new Secret(`s3://b?secret-access-key=${canary}`);
      const account = newName('visible-account');
      const { id } = await stores.jobs.create(account, specOf({ destinationConf }), undefined);
      await stores.jobs.update(account, id, {
        spec: specOf({ destinationConf, name: 'again' }),
        expectedRevision: 1,
        contentChanged: false,
        start: undefined,
      });
      expect((await stores.jobs.get(account, id))?.spec.destinationConf.reveal()).toContain(canary);
      const whileOpen = await place.contents();
      await stores.close();
      const contents = Buffer.concat([whileOpen, await place.contents()]).toString('latin1');
      expect(contents).toContain(account);
      for (const form of formsOf(canary)) expect(contents.includes(form)).toBe(false);
      await place.remove();
    });

    it('is asked for with the key that it was sealed with', async () => {
      const place = await suite.harness.create();
      const first = await place.open({ secretKey: SECRET_KEY, clock: systemClock });
      await first.close();
      const other = place.open({ secretKey: randomBytes(32), clock: systemClock });
      await expect(other).rejects.toThrow(ConfigError);
      await expect(other).rejects.toThrow(
        'TRAILPUSH_SECRET_KEY is not the key that this database was sealed with',
      );
      const short = place.open({ secretKey: randomBytes(16), clock: systemClock });
      await expect(short).rejects.toThrow('32 bytes');
      await (await place.open({ secretKey: SECRET_KEY, clock: systemClock })).close();
      await place.remove();
    });

    it('finds its database made by one of two processes that start together', async () => {
      const place = await suite.harness.create();
      const opened = await Promise.all(
        [1, 2, 3].map(() => place.open({ secretKey: SECRET_KEY, clock: systemClock })),
      );
      const account = newName('account');
      for (const { jobs } of opened) await jobs.create(account, specOf(), undefined);
      expect(await opened[0]!.jobs.list(account)).toHaveLength(3);
      await Promise.all(opened.map((stores) => stores.close()));
      await place.remove();
    });
  });
}

/** How a text may come to stand in a file: as it is, or encoded at any offset. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const base64 = [0, 1, 2].flatMap((skip) => {
    const whole = bytes.subarray(skip, skip + 3 * Math.floor((bytes.length - skip) / 3));
    return [whole.toString('base64'), whole.toString('base64url')];
  });
  return [
    text,
    'cAnArY',
    'of the customer',
    encodeURIComponent(text),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    bytes.toString('utf16le'),
    JSON.stringify(text).slice(1, -1),
    ...base64,
  ];
}
