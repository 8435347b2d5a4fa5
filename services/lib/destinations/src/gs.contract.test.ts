import { destinationContract } from '@trailpush/test/kit/contracts/destination.ts';
import {
  LOOPBACK_POLICY,
  startVendorPlace,
} from '@trailpush/test/kit/contracts/destination/receiver-place.ts';
import { createGoogleKey } from '@trailpush/test/kit/google-key.ts';
import { gcsVendor } from '@trailpush/test/kit/object-vendors.ts';

import { gcsUpload } from './gcs-upload.ts';
import { parseTarget } from './policy.ts';
import { parseDestination } from './registry.ts';
import { parseServiceAccount } from './service-account.ts';
import { openStorePut } from './store-put.ts';

const bucket = 'audit_logs.example';
const { json, email, publicKey, credentials } = createGoogleKey();

destinationContract('gs', {
  answers: 'gs',
  storesByKey: true,
  start: () => {
    const vendor = gcsVendor({ bucket, email, publicKey });
    return startVendorPlace(
      { answer: vendor.answer },
      ({ origin }) => {
        const conf = `gs://${bucket}/logs/dt={DATE}?credentials=${credentials}`;
        const parsed = parseDestination(conf, LOOPBACK_POLICY);
        // Google's host cannot be had here; all else is as gs.ts opens it.
        const target = parseTarget(origin, 'the address', LOOPBACK_POLICY);
        const protocol = gcsUpload(target, bucket, parseServiceAccount(json));
        return {
          conf,
          parsed: { ...parsed, open: (deps) => openStorePut(target, protocol, deps) },
        };
      },
      vendor.objectOf,
    );
  },
});
