import type { Plan } from '@trailpush/core';
import type { Delivery } from './delivery.ts';
import type { Shared } from './shared.ts';
import type { Track } from './track.ts';

export interface LostRange {
  readonly track: Track;
  /** The job's first one. */
  readonly delivery: Delivery;
  readonly plan: Plan;
  /** What lies below is lost; at most one behind the plan's last offset. */
  readonly to: number;
  /** The plan for the rest under its `choice`-th name; undefined when nothing is left to deliver. */
  readonly make: (choice: number) => Plan | undefined;
}

/** The log has lost a part of an open plan: that is a gap, and the rest of the plan goes on. */
export async function cutPlan(lost: LostRange, shared: Shared): Promise<void> {
  const { track, delivery, plan, to, make } = lost;
  const { jobId, partition, first: from } = plan;
  const gap = {
    ...{ jobId, topic: track.progress.ownership.topic, partition, from, to },
    reason: 'the log no longer held these offsets when a planned object had to be made again',
    possiblyDelivered: delivery.isPossiblyDelivered,
    seenAtMs: shared.clock.now(),
  };
  const done = await track.progress.cutPlan({ gap, make }, (rest, cursor) => {
    delivery.plan = rest;
    delivery.lostTo = undefined;
    if (!rest) track.confirmed(cursor);
  });
  if (done) shared.telemetry.gap(track.open, gap);
  else delivery.disown();
}
