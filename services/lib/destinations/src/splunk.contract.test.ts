import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import {
  LOOPBACK_POLICY,
  startVendorPlace,
} from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { trustNewAuthority } from '@trailpush/test/kit/trusted-authority.ts';
import { splunkVendor } from '@trailpush/test/kit/vendors.ts';

import { parseDestination } from './registry.ts';
import { openSplunk } from './splunk.ts';
import { parseTarget } from './policy.ts';

const authority = trustNewAuthority();
const token = 'e6d94e8c-5792-4ad1-be3c-29bcaee0197d';
const channel = '11111111-2222-3333-4444-555555555555';

destinationContract('splunk', {
  answers: 'splunk',
  storesByKey: false,
  start: () =>
    startVendorPlace(
      { tls: authority.issue(['127.0.0.1']), answer: splunkVendor({ token, channel }) },
      ({ origin }) => {
        const path = `services/collector/raw?channel=${channel}&sourcetype=cloudflare:json`;
        const conf = `splunk://127.0.0.1:8088/${path}&insecure-skip-verify=false&header_Authorization=Splunk%20${token}`;
        const parsed = parseDestination(conf, LOOPBACK_POLICY);
        // Its ports cannot be had for certain here; all else is as splunk.ts opens it.
        const target = parseTarget(`${origin}/${path}`, 'the address', LOOPBACK_POLICY);
        const headers = new Map([['Authorization', `Splunk ${token}`]]);
        return {
          conf,
          parsed: { ...parsed, open: (deps) => openSplunk({ target, headers }, deps) },
        };
      },
    ),
});
