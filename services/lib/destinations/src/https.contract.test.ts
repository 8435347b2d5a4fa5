import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import { startReceiverPlace } from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { trustNewAuthority } from '@trailpush/test/kit/trusted-authority.ts';

const authority = trustNewAuthority();

destinationContract('https', {
  answers: 'http',
  storesByKey: false,
  start: () => startReceiverPlace(authority.issue(['127.0.0.1'])),
});
