/** Slices that wait for the thread pool; more would only be memory, since it has few cores anyway. */
const MAX_COMPRESSING_BYTES = 8 * 1024 * 1024;
/** From this share of the budget on, batches are closed early. */
const PRESSURE_SHARE = 0.75;

/**
 * One budget for all open batches and bodies of the process. It only counts and tells: what gives way
 * under pressure is decided in `pressure.ts`, and lanes wait here before they read on.
 */
export class MemoryBudget {
  readonly limitBytes: number;
  #heldBytes = 0;
  #compressingBytes = 0;
  #waiters: (() => void)[] = [];

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get underPressure(): boolean {
    return this.#heldBytes > this.limitBytes * PRESSURE_SHARE;
  }

  get isFull(): boolean {
    return this.#heldBytes >= this.limitBytes;
  }

  /** Lanes that wait for room. */
  get waiting(): number {
    return this.#waiters.length;
  }

  hold(deltaBytes: number): void {
    this.#heldBytes += deltaBytes;
    if (deltaBytes < 0) this.#wake();
  }

  compressing(deltaBytes: number): void {
    this.#compressingBytes += deltaBytes;
    if (deltaBytes < 0) this.#wake();
  }

  /** Resolves at once, or when there is room for what a lane may read next, or when it is to stop. */
  async room(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (this.isFull || this.#compressingBytes > MAX_COMPRESSING_BYTES)) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    if (waiters.length === 0) return;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
