import type { Conf } from './conf.ts';
import { parseHeaders } from './http-headers.ts';
import { openHttpPost } from './http-post.ts';
import type { DestinationKind, OpenableDestination } from './kind.ts';
import type { DestinationPolicy } from './policy.ts';
import { knownPostParams, postTarget, requiredHeader } from './post-conf.ts';
import { secretsOf } from './secrets.ts';

/** `datadog://host/path?header_DD-API-KEY=KEY[&ddsource=&service=&host=&ddtags=]`: Datadog's log intake. */
export const datadog: DestinationKind = { scheme: 'datadog', parse };

const PARAMS = ['ddsource', 'service', 'host', 'hostname', 'ddtags'];
/** Of Datadog's media types, the one of bodies with a log on each line; lines of JSON become attributes. */
const CONTENT_TYPE = 'text/plain';

function parse(conf: Conf, policy: DestinationPolicy): OpenableDestination {
  knownPostParams(conf, PARAMS);
  const headers = parseHeaders(conf);
  requiredHeader(headers, 'DD-API-KEY', "an API key of Datadog's");
  const target = postTarget(conf, 'https', policy);
  return {
    kind: 'datadog',
    location: `datadog://${target.url.host}`,
    pathTemplate: '',
    exactlyOnce: false,
    secrets: secretsOf(conf),
    maxima: { payloadBytes: 5_000_000, records: 1_000 },
    open: (deps) => openHttpPost({ target, headers, contentType: CONTENT_TYPE }, deps),
  };
}
