import { randomUUID } from 'node:crypto';

import type { AttemptResult } from '@trailpush/core';
import { openDestination, parseDestination } from '@trailpush/destinations';
import { systemClock } from '@trailpush/runtime';
import { afterAll, describe, expect, it } from 'vitest';

import { startAzurite, type Azurite } from '../kit/blobs/azurite.ts';
import { destinationContract, type DestinationPlace } from '../kit/contracts/destination.ts';
import { LOOPBACK_POLICY } from '../kit/contracts/destination/receiver-place.ts';
import { makeObject, put } from '../kit/contracts/destination/suite.ts';
import { createRecordingLogger } from '../kit/recording-logger.ts';
import { trustNewAuthority } from '../kit/trusted-authority.ts';

const authority = trustNewAuthority();
const started = await startAzurite(authority.issue(['127.0.0.1']));

if ('unavailable' in started) {
  it.skip(`Azure: ${started.unavailable}`);
} else {
  const server = started;
  afterAll(() => server.stop());

  destinationContract('azure on Azurite', {
    answers: 'none',
    storesByKey: true,
    start: () => startPlace(server),
  });

  describe('azure on Azurite', () => {
    it('keeps what an object says about itself', async () => {
      const { conf, container } = await startPlace(server);
      const object = makeObject();
      expect(await putTo(conf, object)).toEqual({ verdict: { kind: 'delivered' }, status: 201 });
      const { headers } = (await server.read(container)).get(object.key)!;
      expect(headers.get('content-type')).toBe('application/gzip');
      expect(headers.get('content-encoding')).toBeNull();
      expect(headers.get('x-ms-meta-job_id')).toBe('7');
      expect(headers.get('x-ms-meta-last_offset')).toBe('199');
    });

    it('refuses a damaged body before it is stored', async () => {
      const { conf, container } = await startPlace(server);
      const object = makeObject();
      const flipped = object.body.map((piece) => piece.map((byte) => byte ^ 1));
      let reads = 0;
      // The body that is sent is not the one that was hashed.
      const damaged = {
        ...object,
        get body() {
          reads += 1;
          return reads === 1 ? object.body : flipped;
        },
      };
      const result = await putTo(conf, damaged);
      // Azure itself says Md5Mismatch, which is another try.
      expect(result.message).toMatch(/Md5Mismatch|contentMD5 doesn't match/);
      expect(result.verdict.kind).not.toBe('delivered');
      expect((await server.read(container)).size).toBe(0);
    });

    it.each([
      ['a signature that is wrong', (sas: string) => sas.replace(/sig=.{4}/, 'sig=AAAA'), 403],
      ['a SAS that has expired', () => server.sas('w', 'o', -60_000), 403],
    ])('says what is wrong with %s', async (_what, change, status) => {
      const { conf } = await startPlace(server);
      const [address = '', sas = ''] = conf.split('?');
      const result = await putTo(`${address}?${change(sas)}`, makeObject());
      expect(result).toMatchObject({ verdict: { kind: 'refused' }, status });
      expect(result.message).toMatch(
        /^error 403: error pushing: error uploading to azure: 403 Auth\w+: /,
      );
    });

    it('says that a container does not exist', async () => {
      const { conf, container } = await startPlace(server);
      const result = await putTo(conf.replace(container, 'missing'), makeObject());
      expect(result).toMatchObject({ verdict: { kind: 'refused' }, status: 404 });
      expect(result.message).toContain('404 ContainerNotFound');
    });
  });
}

/** A container of its own for each test, behind a SAS that may only write objects. */
async function startPlace(server: Azurite): Promise<DestinationPlace & { container: string }> {
  const container = `audit-${randomUUID()}`;
  await server.createContainer(container);
  const { host } = new URL(server.origin);
  const conf = `azure://${host}/${server.account}/${container}/logs/{DATE}?${server.sas('w', 'o')}`;
  return {
    container,
    conf,
    parsed: parseDestination(conf, LOOPBACK_POLICY),
    async stored() {
      const blobs = await server.read(container);
      return new Map([...blobs].map(([name, { body }]) => [name, [body]]));
    },
    faults: undefined,
    stop: async () => undefined,
  };
}

async function putTo(conf: string, object: ReturnType<typeof makeObject>): Promise<AttemptResult> {
  const { logger } = createRecordingLogger();
  const parsed = parseDestination(conf, LOOPBACK_POLICY);
  const destination = openDestination(parsed, { clock: systemClock, logger });
  const result = await put(destination, object);
  await destination.close();
  return result;
}
