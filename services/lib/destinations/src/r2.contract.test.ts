import { Secret } from '@trailpush/core';
import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import { FakeS3 } from '@trailpush/test/kit/s3/fake-s3.ts';

import { parseCidrs } from './address.ts';
import { parseTarget } from './policy.ts';
import { parseDestination } from './registry.ts';
import { openS3Put } from './s3-put.ts';

destinationContract('r2', {
  answers: 's3',
  storesByKey: true,
  async start() {
    const fake = await FakeS3.start({ isR2: true });
    const bucket = fake.createBucket('audit-logs');
    const conf = `r2://audit-logs/logs?account-id=0123456789abcdef0123456789abcdef&access-key-id=${fake.accessKeyId}&secret-access-key=${encodeURIComponent(fake.secretAccessKey)}`;
    const policy = { allowPrivate: parseCidrs('127.0.0.0/8'), fileRoot: undefined };
    const credentials = {
      accessKeyId: fake.accessKeyId,
      secretAccessKey: new Secret(fake.secretAccessKey),
    };
    return {
      conf,
      parsed: {
        ...parseDestination(conf, policy),
        // Its own host cannot be had here; all else is as r2.ts opens it.
        open: (deps) =>
          openS3Put(
            {
              target: parseTarget(fake.endpoint, 'endpoint', policy),
              region: 'auto',
              bucket: 'audit-logs',
              credentials,
              isAws: false,
              encrypted: false,
            },
            deps,
          ),
      },
      stored: async () => new Map([...bucket].map(([key, { body }]) => [key, [body]])),
      faults: fake.faults,
      stop: () => fake.stop(),
    };
  },
});
