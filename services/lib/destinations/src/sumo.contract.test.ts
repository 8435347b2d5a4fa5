import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import {
  LOOPBACK_POLICY,
  startVendorPlace,
} from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { trustNewAuthority } from '@trailpush/test/kit/trusted-authority.ts';
import { sumoVendor } from '@trailpush/test/kit/vendors.ts';

import { parseDestination } from './registry.ts';

const authority = trustNewAuthority();
const CODE = 'ZaVnC4dhaV0PlantedCode==';

destinationContract('sumo', {
  answers: 'http',
  storesByKey: false,
  start: () =>
    startVendorPlace(
      { tls: authority.issue(['127.0.0.1']), answer: sumoVendor(CODE) },
      ({ port }) => {
        const conf = `sumo://127.0.0.1:${port}/receiver/v1/http/${CODE}?header_X-Sumo-Category=audit`;
        return { conf, parsed: parseDestination(conf, LOOPBACK_POLICY) };
      },
    ),
});
