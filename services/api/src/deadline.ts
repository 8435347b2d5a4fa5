import type { Clock } from '@trailpush/core';

/** Somebody waits for the answer; SDKs give up after a minute. */
const DEADLINE_MS = 15_000;

/** Runs what asks a destination while a client waits; its signal is aborted after 15 seconds. */
export async function withDeadline<Result>(
  clock: Pick<Clock, 'sleep'>,
  action: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const deadline = new AbortController();
  const timer = new AbortController();
  clock.sleep(DEADLINE_MS, timer.signal).then(
    () => deadline.abort(new Error(`no answer within ${DEADLINE_MS / 1000} seconds`)),
    () => undefined,
  );
  try {
    return await action(deadline.signal);
  } finally {
    timer.abort();
  }
}
