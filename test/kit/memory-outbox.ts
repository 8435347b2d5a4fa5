import {
  ChallengeSpentError,
  MAX_OUTBOX_ENTRIES,
  OutboxFullError,
  type ChangeTrail,
  type Clock,
  type JobTransition,
  type Outbox,
  type OutboxEntry,
} from '@trailpush/core';

/** Audit events and spent challenges without a database. */
export class MemoryOutbox {
  #entries: { id: number; line: string; leasedUntilMs: number }[] = [];
  readonly #spent = new Set<string>();
  #lastId = 0;

  /** Throws before anything is stored. */
  check(trail: ChangeTrail | undefined): void {
    if (trail === undefined) return;
    if (trail.challenge !== undefined && this.#spent.has(trail.challenge.id)) {
      throw new ChallengeSpentError(`challenge ${trail.challenge.id} was used before`);
    }
    this.checkRoom();
  }

  checkRoom(): void {
    if (this.#entries.length >= MAX_OUTBOX_ENTRIES) throw new OutboxFullError('it is full');
  }

  store(trail: ChangeTrail | undefined, change: JobTransition): void {
    if (trail === undefined) return;
    if (trail.challenge !== undefined) this.#spent.add(trail.challenge.id);
    this.put(trail.describe(change));
  }

  /** What is told besides changes of jobs. */
  put(line: string): void {
    this.#entries.push({ id: ++this.#lastId, line, leasedUntilMs: 0 });
  }

  /** Throws before anything is stored. */
  add(lines: readonly string[]): void {
    if (this.#entries.length >= MAX_OUTBOX_ENTRIES) throw new OutboxFullError('it is full');
    for (const line of lines) {
      this.#entries.push({ id: ++this.#lastId, line, leasedUntilMs: 0 });
    }
  }

  /** For one process, by its own clock. */
  open(clock: Clock): Outbox {
    return {
      take: async (limit, leaseMs) => this.#take(limit, clock.now(), leaseMs),
      remove: async (ids) => {
        this.#entries = this.#entries.filter(({ id }) => !ids.includes(id));
      },
      release: async (ids) => {
        for (const entry of this.#entries) if (ids.includes(entry.id)) entry.leasedUntilMs = 0;
      },
      count: async () => this.#entries.length,
    };
  }

  #take(limit: number, nowMs: number, leaseMs: number): readonly OutboxEntry[] {
    const oldest = this.#entries.slice(0, limit);
    if (oldest.some(({ leasedUntilMs }) => leasedUntilMs > nowMs)) return [];
    for (const entry of oldest) entry.leasedUntilMs = nowMs + leaseMs;
    return oldest.map(({ id, line }) => ({ id, line }));
  }
}
