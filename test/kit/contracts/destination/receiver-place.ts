import {
  type DestinationPolicy,
  type OpenableDestination,
  parseCidrs,
  parseDestination,
} from '@trailpush/destinations';

import type { Certificate } from '../../certificates.ts';
import {
  HttpReceiver,
  type HttpReceiverOptions,
  type ReceivedRequest,
} from '../../http-receiver.ts';
import type { DestinationPlace } from './suite.ts';

export const LOOPBACK_POLICY: DestinationPolicy = {
  allowPrivate: parseCidrs('127.0.0.0/8'),
  fileRoot: undefined,
};

/** A scripted receiver behind a conf with a secret header and a secret parameter. */
export function startReceiverPlace(tls: Certificate | undefined): Promise<DestinationPlace> {
  return startVendorPlace(tls === undefined ? {} : { tls }, ({ origin }) => {
    const conf = `${origin}/in?header_Authorization=Bearer%20s3cret-t0ken&Api-Key=qu3ry/k3y&tag=a`;
    return { conf, parsed: parseDestination(conf, LOOPBACK_POLICY) };
  });
}

/** A receiver that checks what a vendor demands, and what leads to it. */
export async function startVendorPlace(
  options: HttpReceiverOptions,
  leadTo: (receiver: HttpReceiver) => { conf: string; parsed: OpenableDestination },
  /** For object stores: what a request stores, and under which key. */
  objectOf?: (request: ReceivedRequest) => readonly [key: string, body: Buffer],
): Promise<DestinationPlace> {
  const receiver = await HttpReceiver.start(options);
  return {
    ...leadTo(receiver),
    async stored() {
      const byKey = new Map<string, Buffer[]>();
      for (const request of receiver.received) {
        if (objectOf !== undefined) {
          const [key, body] = objectOf(request);
          byKey.set(key, [body]);
          continue;
        }
        const { headers, body } = request;
        const key = String(headers['idempotency-key']).replaceAll('"', '');
        byKey.set(key, [...(byKey.get(key) ?? []), body]);
      }
      return byKey;
    },
    faults: receiver.faults,
    stop: () => receiver.stop(),
  };
}
