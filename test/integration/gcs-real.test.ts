import { randomUUID } from 'node:crypto';

import { openDestination, parseDestination } from '@trailpush/destinations';
import { systemClock } from '@trailpush/runtime';
import { afterAll, describe, expect, it } from 'vitest';

import { gcsUpload } from '../../services/lib/destinations/src/gcs-upload.ts';
import { parseTarget } from '../../services/lib/destinations/src/policy.ts';
import { parseServiceAccount } from '../../services/lib/destinations/src/service-account.ts';
import { openStorePut } from '../../services/lib/destinations/src/store-put.ts';
import { type FakeGcsServer, startFakeGcsServer } from '../kit/blobs/fake-gcs-server.ts';
import { destinationContract, type DestinationPlace } from '../kit/contracts/destination.ts';
import { LOOPBACK_POLICY } from '../kit/contracts/destination/receiver-place.ts';
import { makeObject, put } from '../kit/contracts/destination/suite.ts';
import { createGoogleKey } from '../kit/google-key.ts';
import { createRecordingLogger } from '../kit/recording-logger.ts';

const started = await startFakeGcsServer();

if ('unavailable' in started) {
  it.skip(`Google Cloud Storage: ${started.unavailable}`);
} else {
  const server = started;
  afterAll(() => server.stop());

  destinationContract('gs on fake-gcs-server', {
    answers: 'none',
    storesByKey: true,
    start: () => startPlace(server),
  });

  describe('gs on fake-gcs-server', () => {
    it('keeps what an object says about itself, and that it is gzip', async () => {
      const { parsed, bucket } = await startPlace(server);
      const object = makeObject();
      const { logger } = createRecordingLogger();
      const destination = openDestination(parsed, { clock: systemClock, logger });
      expect(await put(destination, object)).toEqual({
        verdict: { kind: 'delivered' },
        status: 200,
      });
      await destination.close();
      const { resource } = (await server.read(bucket)).get(object.key)!;
      expect(resource).toMatchObject({
        contentType: 'application/x-ndjson',
        contentEncoding: 'gzip',
        metadata: { 'job-id': '7', 'first-offset': '100', 'last-offset': '199' },
      });
    });

    it('says that a bucket does not exist', async () => {
      const { parsed } = await startPlace(server, 'missing-bucket');
      const { logger } = createRecordingLogger();
      const destination = openDestination(parsed, { clock: systemClock, logger });
      const result = await put(destination, makeObject());
      await destination.close();
      expect(result).toMatchObject({ verdict: { kind: 'refused' }, status: 404 });
    });

    it('takes a body that was damaged on the way for a failed attempt', async () => {
      const { parsed, bucket } = await startPlace(server);
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
      const { logger } = createRecordingLogger();
      const destination = openDestination(parsed, { clock: systemClock, logger });
      const result = await put(destination, damaged);
      await destination.close();
      expect(result.verdict.kind).toBe('retry');
      expect(result.message).toContain("doesn't match");
      expect((await server.read(bucket)).size).toBe(0);
    });
  });
}

/** A bucket of its own for each test. Google's host leads to the emulator; all else is as `gs.ts` has it. */
async function startPlace(
  server: FakeGcsServer,
  missing?: string,
): Promise<DestinationPlace & { bucket: string }> {
  const bucket = missing ?? `audit-${randomUUID()}`;
  if (missing === undefined) await server.createBucket(bucket);
  const { json, credentials } = createGoogleKey();
  const conf = `gs://${bucket}/logs/dt={DATE}?credentials=${credentials}`;
  const parsed = parseDestination(conf, LOOPBACK_POLICY);
  const target = parseTarget(server.origin, 'the address', LOOPBACK_POLICY);
  const protocol = gcsUpload(target, bucket, parseServiceAccount(json));
  return {
    bucket,
    conf,
    parsed: {
      ...parsed,
      open: (deps) => openStorePut(target, protocol, deps),
    },
    async stored() {
      const objects = await server.read(bucket);
      return new Map([...objects].map(([name, { body }]) => [name, [body]]));
    },
    faults: undefined,
    stop: async () => undefined,
  };
}
