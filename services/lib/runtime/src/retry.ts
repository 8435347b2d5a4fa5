export interface BackoffOptions {
  /** Upper bound of the first wait. */
  readonly baseMs: number;
  /** Upper bound of every wait. */
  readonly capMs: number;
  /** Uniform in [0, 1). Injected, so that simulations repeat. */
  readonly random: () => number;
}

/**
 * How long to wait after the failed attempt number `attempt` (1 is the first): exponential with full
 * jitter, so that many jobs that failed together do not come back together. May be 0.
 */
export function backoffMs(attempt: number, { baseMs, capMs, random }: BackoffOptions): number {
  // 2^31 times any base is above any sensible cap, and far from overflow.
  const doublings = Math.min(Math.max(attempt, 1) - 1, 31);
  return Math.floor(random() * Math.min(capMs, baseMs * 2 ** doublings));
}
