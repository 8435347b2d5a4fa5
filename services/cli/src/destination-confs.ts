import type { DestinationConfs } from '@trailpush/api';
import type { Clock, Logger } from '@trailpush/core';
import {
  challengeFilename,
  demandsOwnership,
  openDestination,
  parseDestination,
  putChallenge,
  redactConf,
  restoreConf,
  type DestinationPolicy,
} from '@trailpush/destinations';

/** What the API does with a destination_conf, under the operator's policy. */
export function destinationConfs(deps: {
  readonly policy: DestinationPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
}): DestinationConfs {
  const { policy, clock } = deps;
  const parse = (conf: string) => parseDestination(conf, policy);
  return {
    parse,
    redact: redactConf,
    restore: restoreConf,
    demandsOwnership,
    challengeFilename: (conf) => challengeFilename(parse(conf), clock.now()),
    putChallenge: (conf, token, signal) => putChallenge(parse(conf), token, deps, signal),
    probe: async (conf, signal) => {
      const destination = openDestination(parse(conf), deps);
      try {
        return await destination.probe(signal);
      } finally {
        await destination.close();
      }
    },
  };
}
