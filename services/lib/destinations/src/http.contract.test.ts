import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import { startReceiverPlace } from '@trailpush/test/kit/contracts/destination/receiver-place.ts';

destinationContract('http', {
  answers: 'http',
  storesByKey: false,
  start: () => startReceiverPlace(undefined),
});
