import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

import { StoreUnavailableError } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { openPostgresStores, type Stores } from '@trailpush/stores';
import { specOf } from '@trailpush/test/kit/contracts/stores/suite.ts';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { createTestDatabase } from '@trailpush/test/kit/postgres/ready.ts';
import { startPostgres, type TestPostgres } from '@trailpush/test/kit/postgres.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';

const server = await startPostgres({ disposable: true });

if ('unavailable' in server) {
  describe('an outage of PostgreSQL', () => it.skip(server.unavailable));
} else {
  outageTests(server);
  addressTests(server);
}

function outageTests(postgres: TestPostgres): void {
  const secretKey = randomBytes(32);
  const opened: Stores[] = [];
  const open = async (url: string, clock = new FakeClock()): Promise<Stores> => {
    const { logger } = createRecordingLogger();
    const stores = await openPostgresStores({ url, secretKey, clock, logger });
    opened.push(stores);
    return stores;
  };
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((stores) => stores.close()));
  });
  afterAll(() => postgres.stop());

  describe('an outage of PostgreSQL', () => {
    it('is reported while it lasts, and forgotten when it ends', async () => {
      const { url } = await createTestDatabase(postgres.url);
      const stores = await open(url);
      const job = await stores.jobs.create('acme', specOf(), undefined);
      const claim = { topic: 't', partition: 0, owner: 'a', logStart: 0 };
      const claimed = await stores.progress.claim({ ...claim, heldEpoch: undefined });
      for (const outage of ['kill', 'restart'] as const) {
        await postgres[outage]();
        if (outage === 'kill') {
          for (const call of [() => stores.ping(), () => stores.jobs.loadAll()]) {
            await expect(call()).rejects.toThrow(StoreUnavailableError);
          }
          expect(stores.health()).toContain('cannot be reached');
          await postgres.restart();
        }
        // Connections that were cut show it at their next use: one error each, then all is well.
        await vi.waitFor(() => stores.ping());
        expect(stores.health()).toBeUndefined();
        expect(await stores.jobs.get('acme', job.id)).toEqual(job);
        expect(await stores.progress.claim({ ...claim, heldEpoch: claimed.epoch })).toMatchObject({
          kept: true,
        });
      }
    });

    it('fails the calls under way, and never the process', async () => {
      const { url } = await createTestDatabase(postgres.url);
      const stores = await open(url);
      const calls = Array.from({ length: 30 }, () =>
        stores.jobs.create('acme', specOf(), undefined),
      );
      const settled = Promise.allSettled(calls);
      await calls[0];
      await postgres.kill();
      for (const result of await settled) {
        if (result.status === 'rejected') {
          expect(result.reason).toBeInstanceOf(StoreUnavailableError);
        }
      }
      await postgres.restart();
      await vi.waitFor(() => stores.ping());
    });

    it('does not end the notifications of changed jobs', async () => {
      const { url } = await createTestDatabase(postgres.url);
      const clock = new FakeClock();
      const [watching, changing] = [await open(url, clock), await open(url)];
      const onChange = vi.fn();
      await watching.jobs.watch(onChange);
      const isNotified = async (): Promise<void> => {
        await vi.waitFor(
          async () => {
            onChange.mockClear();
            await changing.jobs.create('acme', specOf(), undefined);
            await vi.waitFor(() => expect(onChange).toHaveBeenCalled(), { timeout: 100 });
          },
          { timeout: 10_000 },
        );
      };
      // The clock stands still, so that nothing is polled.
      await isNotified();
      await postgres.kill();
      await postgres.restart();
      // Long enough to connect again, too short to poll.
      await vi.waitFor(() => changing.ping());
      await clock.advance(2_500);
      await isNotified();
    });
  });
}

function addressTests(postgres: TestPostgres): void {
  describe('a wrong DATABASE_URL', () => {
    it.each([
      ['password', 'refuses the login: check user and password in DATABASE_URL'],
      ['pathname', 'has no such database: check DATABASE_URL'],
      ['port', 'cannot be reached (connect ECONNREFUSED 127.0.0.1:1)'],
    ] as const)(
      'is reported by what is wrong with its %s, without the password',
      async (part, sentence) => {
        const url = new URL(postgres.url);
        const secrets = [url.password, 'hunter2-hunter2'];
        url[part] = part === 'port' ? '1' : 'hunter2-hunter2';
        if (part === 'pathname') secrets.pop();
        const { logger, lines } = createRecordingLogger();
        const opening = openPostgresStores({
          url: url.href,
          secretKey: randomBytes(32),
          clock: systemClock,
          logger,
        });
        const error: unknown = await opening.catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(StoreUnavailableError);
        expect((error as Error).message).toContain(sentence);
        const shown = inspect([error, lines], { depth: 20, showHidden: true });
        for (const secret of secrets) expect(shown).not.toContain(secret);
      },
    );
  });
}
