import { splitConf, invalidConf } from './conf.ts';
import { azure } from './azure.ts';
import { datadog } from './datadog.ts';
import { file } from './file.ts';
import { gs } from './gs.ts';
import { http, https } from './https.ts';
import type { DestinationKind, OpenableDestination } from './kind.ts';
import type { DestinationPolicy } from './policy.ts';
import { r2 } from './r2.ts';
import { s3 } from './s3.ts';
import { refuseMasks } from './secrets.ts';
import { splunk } from './splunk.ts';
import { sumo } from './sumo.ts';

/** Every kind of destination. A new one is a file, a line here, and a contract test. */
export const DESTINATION_KINDS: readonly DestinationKind[] = [
  s3,
  r2,
  azure,
  gs,
  https,
  http,
  splunk,
  datadog,
  sumo,
  file,
];

/**
 * Parses and judges a destination_conf, without asking DNS or any other outside thing.
 * @throws InvalidDestinationError whose message names the parameter and the remedy, and holds no secret.
 */
export function parseDestination(text: string, policy: DestinationPolicy): OpenableDestination {
  const conf = splitConf(text);
  const kind = DESTINATION_KINDS.find(({ scheme }) => scheme === conf.scheme);
  if (kind === undefined) {
    const known = DESTINATION_KINDS.map(({ scheme }) => `${scheme}://`).join(', ');
    throw invalidConf(`scheme ${conf.scheme}:// is not supported: use one of ${known}`);
  }
  refuseMasks(conf);
  return kind.parse(conf, policy);
}
