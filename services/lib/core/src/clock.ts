/** Time as a port: production uses `runtime`'s system clock, tests turn a virtual one. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. It may jump: for labels and comparison with broker time only. */
  now(): number;
  /** Milliseconds that only grow: for ages, deadlines and back-off. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `tick` every `ms` until the returned function is called. Does not keep the process alive. */
  every(ms: number, tick: () => void): () => void;
}
