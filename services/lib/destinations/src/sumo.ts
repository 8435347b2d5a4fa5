import { type Conf, invalidConf } from './conf.ts';
import { parseHeaders } from './http-headers.ts';
import { openHttpPost } from './http-post.ts';
import type { DestinationKind, OpenableDestination } from './kind.ts';
import type { DestinationPolicy } from './policy.ts';
import { knownPostParams, postTarget } from './post-conf.ts';
import { secretsOf } from './secrets.ts';

/** `sumo://host/receiver/v1/http/CODE[?header_X-Sumo-Category=..]`: an HTTP source of Sumo Logic. */
export const sumo: DestinationKind = { scheme: 'sumo', parse };

function parse(conf: Conf, policy: DestinationPolicy): OpenableDestination {
  knownPostParams(conf, []);
  if (!/^\/receiver\/v1\/http\/[^/]+$/.test(conf.path)) {
    throw invalidConf(
      'the address must be the URL of an HTTP source, such as sumo://endpoint1.collection.sumologic.com/receiver/v1/http/CODE',
    );
  }
  const headers = parseHeaders(conf);
  const target = postTarget(conf, 'https', policy);
  return {
    kind: 'sumo',
    location: `sumo://${target.url.host}`,
    pathTemplate: '',
    exactlyOnce: false,
    secrets: secretsOf(conf),
    open: (deps) => openHttpPost({ target, headers }, deps),
  };
}
