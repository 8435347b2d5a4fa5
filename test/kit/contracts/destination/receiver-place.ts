import { parseCidrs, parseDestination } from '@trailpush/destinations';

import type { Certificate } from '../../certificates.ts';
import { HttpReceiver } from '../../http-receiver.ts';
import type { DestinationPlace } from './suite.ts';

/** A scripted receiver behind a conf with a secret header and a secret parameter. */
export async function startReceiverPlace(tls: Certificate | undefined): Promise<DestinationPlace> {
  const receiver = await HttpReceiver.start(tls === undefined ? {} : { tls });
  const conf = `${receiver.origin}/in?header_Authorization=Bearer%20s3cret-t0ken&Api-Key=qu3ry/k3y&tag=a`;
  return {
    conf,
    parsed: parseDestination(conf, {
      allowPrivate: parseCidrs('127.0.0.0/8'),
      fileRoot: undefined,
    }),
    async stored() {
      const byKey = new Map<string, Buffer[]>();
      for (const { headers, body } of receiver.received) {
        const key = String(headers['idempotency-key']).replaceAll('"', '');
        byKey.set(key, [...(byKey.get(key) ?? []), body]);
      }
      return byKey;
    },
    faults: receiver.faults,
    stop: () => receiver.stop(),
  };
}
