import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import {
  LOOPBACK_POLICY,
  startVendorPlace,
} from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { azureVendor } from '@trailpush/test/kit/object-vendors.ts';
import { trustNewAuthority } from '@trailpush/test/kit/trusted-authority.ts';

import { parseDestination } from './registry.ts';

const authority = trustNewAuthority();
const sig = 'planted/azure+signature=';

destinationContract('azure', {
  answers: 'azure',
  storesByKey: true,
  start: () => {
    const vendor = azureVendor({ account: 'account', container: 'audit-logs', sig });
    return startVendorPlace(
      { tls: authority.issue(['127.0.0.1']), answer: vendor.answer },
      ({ port }) => {
        const sas = `sv=2022-11-02&ss=b&srt=o&sp=w&se=2031-01-01T00:00:00Z&sig=${encodeURIComponent(sig)}`;
        const conf = `azure://127.0.0.1:${port}/account/audit-logs/logs/{DATE}?${sas}`;
        return { conf, parsed: parseDestination(conf, LOOPBACK_POLICY) };
      },
      vendor.objectOf,
    );
  },
});
