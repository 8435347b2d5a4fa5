import { getCACertificates, setDefaultCACertificates } from 'node:tls';

import { createAuthority } from '@trailpush/test/kit/certificates.ts';
import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import { startReceiverPlace } from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { afterAll } from 'vitest';

const authority = createAuthority();
const before = getCACertificates();
setDefaultCACertificates([...before, authority.cert]);
afterAll(() => setDefaultCACertificates(before));

destinationContract('https', {
  answers: 'http',
  storesByKey: false,
  start: () => startReceiverPlace(authority.issue(['127.0.0.1'])),
});
