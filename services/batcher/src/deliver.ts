import type { ObjectToPut } from '@trailpush/core';
import type { Delivery } from './delivery.ts';
import type { Turn } from './job-health.ts';
import type { Service } from './open-job.ts';
import { remedyOf, seekWitness } from './refusal.ts';
import type { Shared } from './shared.ts';
import type { Track } from './track.ts';
import type { UploadResult } from './uploads.ts';

/**
 * Plan, put, advance: takes a closed batch to where its offsets are behind the job's cursor.
 * Rejects when `signal` aborts, without harm: what is stored says how to go on. False: memory and store
 * disagree, and the job must be reloaded.
 */
export async function deliver(
  delivery: Delivery,
  track: Track,
  shared: Shared,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(await delivery.store(track, shared))) return false;
  // A job that was paused meanwhile could not let go of a body without a plan.
  if (signal.aborted) delivery.dropBody();
  while (!delivery.confirmed) {
    if (delivery.remedy) {
      await delivery.remedied(track, shared, signal);
      if (!delivery.plan) return false;
      continue;
    }
    await delivery.whileLostBehind(track, shared, signal);
    const outcome = await attempt(delivery, track, shared, signal);
    if (outcome === 'reload') return false;
    if (outcome === 'delivered') delivery.confirmed = true;
  }
  if (delivery.ended) return true;
  const { plan } = delivery;
  if (!plan) return false;
  delivery.release();
  return track.progress.confirmPlan(plan, (cursor) => track.confirmed(cursor));
}

type Outcome = 'delivered' | 'again' | 'reload';

/** One attempt when it is our turn. */
async function attempt(
  delivery: Delivery,
  track: Track,
  shared: Shared,
  signal: AbortSignal,
): Promise<Outcome> {
  const { health } = track.open;
  // The line can only move at its head, so that is what a failing destination is asked to take.
  const turn = await health.turn(signal, {
    isHead: () => track.deliveries[0] === delivery,
    isSuspect: () => delivery.refusedAfter === health.passes,
  });
  let settled = false;
  try {
    signal.throwIfAborted();
    const { service } = track;
    if (!(await delivery.moveTo(service.place, track, shared))) return 'reload';
    const result = await delivery.using(async () => {
      const object = await delivery.objectWhenRead(track, shared, signal);
      if (!object) return undefined;
      await delivery.spaceAttempts(shared, signal);
      return send(object, delivery, { track, service, turn, shared, signal });
    });
    if (!result) return 'again';
    settled = true;
    if (result.verdict.kind !== 'delivered') {
      delivery.remedy = remedyOf(result, delivery, track);
      health.failed(turn, result.verdict, delivery.remedy !== undefined);
      if (delivery.remedy) delivery.dropBody();
      seekWitness(track);
      return 'again';
    }
    health.succeeded(turn);
    return 'delivered';
  } finally {
    if (!settled) health.endTurn(turn);
  }
}

/** Undefined: nothing was sent, since much may change while an object waits for a slot. */
async function send(
  object: ObjectToPut,
  delivery: Delivery,
  at: { track: Track; service: Service; turn: Turn; shared: Shared; signal: AbortSignal },
): Promise<UploadResult | undefined> {
  const { track, turn, shared, signal } = at;
  const { open } = track;
  // The plan was moved to this one's place: to no other one may its object go.
  const { destination } = at.service;
  const result = await shared.uploads.put({
    destination,
    object,
    signal,
    isProbe: turn.isProbe,
    isLive: track.lane === 'live',
    isDue: () =>
      track.open.service?.destination === destination && (turn.isProbe || !open.health.failing),
  });
  // An attempt that was cut short by us says nothing about the destination.
  signal.throwIfAborted();
  if (!result) return undefined;
  shared.telemetry.attempted(open, object, result);
  if (result.verdict.kind === 'delivered') {
    const payloadBytes = delivery.plan?.payloadBytes ?? 0;
    shared.telemetry.delivered(open, object, { reason: delivery.reason, payloadBytes });
  }
  return result;
}
