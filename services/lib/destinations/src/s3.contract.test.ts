import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import { FakeS3 } from '@trailpush/test/kit/s3/fake-s3.ts';

import { parseCidrs } from './address.ts';
import { parseDestination } from './registry.ts';

destinationContract('s3', {
  answers: 's3',
  storesByKey: true,
  async start() {
    const fake = await FakeS3.start();
    const bucket = fake.createBucket('audit-logs');
    const conf = `s3://audit-logs/logs/{DATE}?region=${fake.region}&endpoint=${fake.endpoint}&access-key-id=${fake.accessKeyId}&secret-access-key=${encodeURIComponent(fake.secretAccessKey)}`;
    return {
      conf,
      parsed: parseDestination(conf, {
        allowPrivate: parseCidrs('127.0.0.0/8'),
        fileRoot: undefined,
      }),
      stored: async () => new Map([...bucket].map(([key, { body }]) => [key, [body]])),
      faults: fake.faults,
      stop: () => fake.stop(),
    };
  },
});
