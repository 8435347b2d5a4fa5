import type {
  AuditBatch,
  AuditEntry,
  AuditFilter,
  AuditPage,
  AuditPlace,
  AuditQuery,
  AuditStore,
  IndexDeadLetter,
  IndexGap,
  IndexPosition,
  Tenant,
} from '@trailpush/core';

interface Stored extends AuditPlace {
  readonly entry: AuditEntry;
}

/** The audit store as its contract says it, in the plainest way. */
export class MemoryAuditStore implements AuditStore {
  readonly #events: Stored[] = [];
  readonly #ids = new Set<string>();
  readonly #positions = new Map<string, IndexPosition>();
  readonly #deadLetters: (IndexDeadLetter & { topic: string; partition: number })[] = [];
  readonly #gaps: (IndexGap & { topic: string; partition: number })[] = [];

  async position(topic: string, partition: number): Promise<IndexPosition | undefined> {
    return this.#positions.get(`${topic} ${partition}`);
  }

  async append(batch: AuditBatch): Promise<{ readonly stored: number } | 'stale'> {
    const { topic, partition } = batch;
    const place = `${topic} ${partition}`;
    if (this.#positions.get(place)?.next !== batch.from) return 'stale';
    this.#positions.set(place, batch.to);
    const before = this.#events.length;
    for (const entry of batch.entries) {
      const name = `${entry.tenant.kind} ${entry.tenant.id} ${monthOf(entry)} ${entry.id}`;
      if (this.#ids.has(name)) continue;
      this.#ids.add(name);
      this.#events.push({ entry, timeMicros: entry.timeMicros, sequence: this.#events.length });
    }
    for (const letter of batch.deadLetters) {
      const isKnown = this.#deadLetters.some(
        (known) => known.topic === topic && isSameRecord(known, letter, partition),
      );
      if (!isKnown) this.#deadLetters.push({ ...letter, topic, partition });
    }
    if (batch.gap) this.#gaps.push({ ...batch.gap, topic, partition });
    return { stored: this.#events.length - before };
  }

  async query(query: AuditQuery): Promise<AuditPage> {
    const sign = query.direction === 'asc' ? 1 : -1;
    const compare = (a: AuditPlace, b: AuditPlace) =>
      sign * (a.timeMicros - b.timeMicros || a.sequence - b.sequence);
    const { after } = query;
    const found = this.#events
      .filter(({ entry }) => isSameTenant(entry.tenant, query.tenant))
      .filter(({ timeMicros }) => timeMicros >= query.sinceMicros)
      .filter(({ timeMicros }) => timeMicros < query.beforeMicros)
      .filter(({ entry }) => query.filters.every((filter) => passes(entry, filter)))
      .filter((stored) => after === undefined || compare(stored, after) > 0)
      .toSorted(compare);
    const page = found.slice(0, query.limit);
    const last = page.at(-1);
    const next =
      found.length > page.length && last
        ? { timeMicros: last.timeMicros, sequence: last.sequence }
        : undefined;
    return { entries: page.map(({ entry }) => entry), next };
  }

  async find(tenant: Tenant, id: string, timeMicros: number): Promise<AuditEntry | undefined> {
    return this.#events
      .map(({ entry }) => entry)
      .filter((entry) => isSameTenant(entry.tenant, tenant) && entry.id === id)
      .find((entry) => Math.abs(entry.timeMicros - timeMicros) < 1_000_000);
  }

  async listDeadLetters(limit: number) {
    return this.#deadLetters.toReversed().slice(0, limit);
  }

  async listGaps(topic: string) {
    return this.#gaps
      .filter((gap) => gap.topic === topic)
      .map(({ partition, from, to, reason }) => ({ partition, from, to, reason }));
  }
}

function isSameTenant(a: Tenant, b: Tenant): boolean {
  return a.kind === b.kind && a.id === b.id;
}

function isSameRecord(
  known: IndexDeadLetter & { partition: number },
  letter: IndexDeadLetter,
  partition: number,
): boolean {
  return (
    known.partition === partition &&
    known.offset === letter.offset &&
    known.timestampMs === letter.timestampMs
  );
}

function monthOf({ timeMicros }: AuditEntry): string {
  return new Date(timeMicros / 1000).toISOString().slice(0, 7);
}

/** An absent value is the same as an empty one. */
function passes(entry: AuditEntry, { field, values, isNegated }: AuditFilter): boolean {
  return values.includes(entry[field] ?? '') !== isNegated;
}
