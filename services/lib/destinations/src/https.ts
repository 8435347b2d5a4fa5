import type { Conf } from './conf.ts';
import { parseHeaders } from './http-headers.ts';
import { openHttpPost } from './http-post.ts';
import type { DestinationKind, OpenableDestination } from './kind.ts';
import type { DestinationPolicy } from './policy.ts';
import { postTarget } from './post-conf.ts';
import { secretsOf } from './secrets.ts';
import { isSigningParam, parseSigningKey } from './webhook-signature.ts';

/** `https://host[:port]/path?[header_NAME=value&][signing-secret=whsec_..&][other=value]`: any HTTP receiver. */
export const https: DestinationKind = {
  scheme: 'https',
  parse: (conf, policy) => parse(conf, 'https', policy),
};

/** The same without TLS, for receivers in ranges that the operator allows. */
export const http: DestinationKind = {
  scheme: 'http',
  parse: (conf, policy) => parse(conf, 'http', policy),
};

/** New Relic has no scheme of its own: it answers 415 to our media type, and takes 1 MB of gzip. */
const NEW_RELIC = {
  host: /(?:^|\.)newrelic\.com$/,
  contentType: 'application/json',
  maxima: { payloadBytes: 5_000_000, records: 10_000 },
};

/** What a receiver is known to want that the conf does not say. */
export function knownReceiver(host: string): Partial<Omit<typeof NEW_RELIC, 'host'>> {
  return NEW_RELIC.host.test(host) ? NEW_RELIC : {};
}

function parse(
  conf: Conf,
  protocol: 'https' | 'http',
  policy: DestinationPolicy,
): OpenableDestination {
  const headers = parseHeaders(conf);
  const signingKey = parseSigningKey(conf);
  const target = postTarget(conf, protocol, policy, { ours: isSigningParam });
  const { contentType, maxima } = knownReceiver(target.url.hostname);
  return {
    kind: 'https',
    location: target.url.origin,
    pathTemplate: '',
    exactlyOnce: false,
    secrets: secretsOf(conf),
    maxima,
    open: (deps) => openHttpPost({ target, headers, contentType, signingKey }, deps),
  };
}
