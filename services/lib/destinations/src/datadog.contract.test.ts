import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import {
  LOOPBACK_POLICY,
  startVendorPlace,
} from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { trustNewAuthority } from '@trailpush/test/kit/trusted-authority.ts';
import { datadogVendor } from '@trailpush/test/kit/vendors.ts';

import { parseDestination } from './registry.ts';

const authority = trustNewAuthority();
const KEY = 'dd/planted+key';

destinationContract('datadog', {
  answers: 'http',
  storesByKey: false,
  start: () =>
    startVendorPlace(
      { tls: authority.issue(['127.0.0.1']), answer: datadogVendor(KEY) },
      ({ port }) => {
        const conf = `datadog://127.0.0.1:${port}/api/v2/logs?header_DD-API-KEY=${encodeURIComponent(KEY)}&ddsource=cloudflare&service=audit&ddtags=env:test,team:a`;
        return { conf, parsed: parseDestination(conf, LOOPBACK_POLICY) };
      },
    ),
});
