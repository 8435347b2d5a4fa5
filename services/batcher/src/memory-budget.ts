import { Wakeup } from './wakeup.ts';

/** Slices that wait for the thread pool; more would only be memory, since it has few cores anyway. */
const MAX_COMPRESSING_BYTES = 8 * 1024 * 1024;
/** From this share of the budget on, memory is given back before it is asked for. */
const PRESSURE_SHARE = 0.75;
/** What may then stay in memory that is not being sent; the rest is for what is. */
const STAYING_SHARE = 0.5;

/**
 * One budget for all open batches and bodies of the process. It only counts and tells: what gives way
 * under pressure is decided in `pressure.ts`, and lanes wait here before they read on.
 */
export class MemoryBudget {
  readonly limitBytes: number;
  readonly #room = new Wakeup();
  #heldBytes = 0;
  #leavingBytes = 0;
  #compressingBytes = 0;
  #overdrawnBy: object | undefined;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get underPressure(): boolean {
    return this.#heldBytes > this.limitBytes * PRESSURE_SHARE;
  }

  /** How much too much is held by what is not complete, so that nobody can send it yet. */
  get excessBytes(): number {
    return this.#heldBytes - this.#leavingBytes - this.limitBytes * STAYING_SHARE;
  }

  /** True when nothing more may be taken in for now. */
  get isFull(): boolean {
    return this.#heldBytes >= this.limitBytes || this.#compressingBytes > MAX_COMPRESSING_BYTES;
  }

  /** Lanes that wait for room. */
  get waiting(): number {
    return this.#room.waiting;
  }

  hold(deltaBytes: number): void {
    this.#heldBytes += deltaBytes;
    if (deltaBytes < 0) this.#room.notify();
  }

  /** Of what is held: what belongs to complete bodies, and goes when they are delivered. */
  leaving(deltaBytes: number): void {
    this.#leavingBytes += deltaBytes;
  }

  compressing(deltaBytes: number): void {
    this.#compressingBytes += deltaBytes;
    if (deltaBytes < 0) this.#room.notify();
  }

  /** Resolves at once, or when there is room for what a lane may read next, or when it is to stop. */
  async room(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.isFull) await this.#room.wait(signal);
  }

  /**
   * As `room`, but one body at a time may grow although there is none: bodies that are half read again could
   * otherwise fill the budget, each waiting for the others to end. While anything is on its way out nobody
   * may, since it makes room by itself: else one body after the other would be made beyond the budget. `body`
   * is then overdrawn until `endOverdraft`.
   */
  async roomOrOverdraft(body: object, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.isFull) {
      if (this.#leavingBytes === 0) this.#overdrawnBy ??= body;
      if (this.#overdrawnBy === body) return;
      await this.#room.wait(signal);
    }
  }

  isOverdrawnBy(body: object): boolean {
    return this.#overdrawnBy === body;
  }

  endOverdraft(body: object): void {
    if (this.#overdrawnBy !== body) return;
    this.#overdrawnBy = undefined;
    this.#room.notify();
  }
}
