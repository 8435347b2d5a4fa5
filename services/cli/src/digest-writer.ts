import { DigestWriter } from '@trailpush/batcher';
import {
  digestBuilder,
  digestPlace,
  parseDestination,
  putDigest,
  type DestinationPolicy,
} from '@trailpush/destinations';
import type { Metrics } from '@trailpush/runtime';
import type { Stores } from '@trailpush/stores';
import type { Base } from './world.ts';

/** Makes the digests of what was delivered, unless they are switched off. */
export function openDigestWriter({
  config,
  stores,
  policy,
  clock,
  lifecycle,
  metrics,
  ...base
}: Base & {
  readonly stores: Stores;
  readonly policy: DestinationPolicy;
  readonly metrics: Metrics;
}): void {
  const { digestIntervalMs: intervalMs } = config;
  if (intervalMs === 0) return;
  const logger = base.logger.child({ part: 'digests' });
  const writer = new DigestWriter({
    digests: stores.digests,
    jobs: stores.jobs,
    targetOf: (job) => {
      const parsed = parseDestination(job.spec.destinationConf.reveal(), policy);
      return {
        place: digestPlace(parsed),
        isStore: parsed.exactlyOnce,
        put: (digest, signal) => putDigest(parsed, digest, { clock, logger }, signal),
      };
    },
    builderOf: (hasKeys) => digestBuilder({ intervalMs, hasKeys }),
    ...{ intervalMs, clock, logger, metrics: metrics.digests, random: Math.random },
  });
  writer.start();
  lifecycle.defer('digests', 2000, () => writer.stop());
}
