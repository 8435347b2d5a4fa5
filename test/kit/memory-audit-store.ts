import {
  AUDIT_BODIES,
  AUDIT_TEXTS,
  searchWordsOf,
  withinRanges,
  type AuditBatch,
  type AuditCount,
  type AuditCounting,
  type AuditEntry,
  type AuditFilter,
  type AuditFollow,
  type AuditFollowed,
  type AuditHit,
  type AuditPage,
  type AuditPlace,
  type AuditQuery,
  type AuditStore,
  type IndexDeadLetter,
  type IndexGap,
  type IndexPosition,
  type LineShape,
  type Tenant,
} from '@trailpush/core';

interface Stored extends AuditPlace {
  readonly entry: AuditEntry;
  readonly words: readonly string[];
}

/** The audit store as its contract says it, in the plainest way. */
export class MemoryAuditStore implements AuditStore {
  #events: Stored[] = [];
  #lastSequence = 0;
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
    const stored = this.add(batch.entries);
    for (const letter of batch.deadLetters) {
      const isKnown = this.#deadLetters.some(
        (known) => known.topic === topic && isSameRecord(known, letter, partition),
      );
      if (!isKnown) this.#deadLetters.push({ ...letter, topic, partition });
    }
    if (batch.gap) this.#gaps.push({ ...batch.gap, topic, partition });
    return { stored };
  }

  get entries(): readonly AuditEntry[] {
    return this.#events.map(({ entry }) => entry);
  }

  /** Stores those that are not known; their number. */
  add(entries: readonly AuditEntry[]): number {
    const before = this.#events.length;
    for (const entry of entries) {
      if (this.#ids.has(nameOf(entry))) continue;
      this.#ids.add(nameOf(entry));
      this.#lastSequence += 1;
      const { timeMicros } = entry;
      const words = searchWordsOf(entry);
      this.#events.push({ entry, words, timeMicros, sequence: this.#lastSequence });
    }
    return this.#events.length - before;
  }

  remove(entries: ReadonlySet<AuditEntry>): void {
    this.#events = this.#events.filter(({ entry }) => !entries.has(entry));
    for (const entry of entries) this.#ids.delete(nameOf(entry));
  }

  #find(query: AuditQuery): Stored[] {
    const sign = query.direction === 'asc' ? 1 : -1;
    const compare = (a: AuditPlace, b: AuditPlace) =>
      sign * (a.timeMicros - b.timeMicros || a.sequence - b.sequence);
    const { after, addressRange } = query;
    const isWithin = addressRange === undefined ? () => true : withinRanges([addressRange]);
    return this.#events
      .filter(({ entry }) => isSameTenant(entry.tenant, query.tenant))
      .filter(({ timeMicros }) => timeMicros >= query.sinceMicros)
      .filter(({ timeMicros }) => timeMicros < query.beforeMicros)
      .filter(({ entry }) => query.filters.every((filter) => passes(entry, filter)))
      .filter(({ entry }) => isWithin(entry.actor_ip_address ?? ''))
      .filter(({ words }) =>
        (query.words ?? []).every((word) => words.some((each) => each.startsWith(word))),
      )
      .filter((stored) => after === undefined || compare(stored, after) > 0)
      .toSorted(compare);
  }

  async query(query: AuditQuery): Promise<AuditPage> {
    const found = this.#find(query);
    const page = found.slice(0, query.limit);
    const last = page.at(-1);
    const next =
      found.length > page.length && last
        ? { timeMicros: last.timeMicros, sequence: last.sequence }
        : undefined;
    return { entries: page.map(({ entry }) => entry), next };
  }

  async locate(query: AuditQuery): Promise<readonly AuditHit[]> {
    const hits = this.#find(query).slice(0, query.limit);
    return hits.map(({ timeMicros, sequence, entry }) => {
      const texts = [entry.id, ...[...AUDIT_TEXTS, ...AUDIT_BODIES].map((name) => entry[name])];
      return { timeMicros, sequence, bytes: texts.join('').length };
    });
  }

  async read(
    { tenant }: Pick<AuditQuery, 'tenant'>,
    places: readonly AuditPlace[],
  ): Promise<readonly AuditEntry[]> {
    return places.flatMap(({ sequence }) => {
      const entry = this.#events.find((of) => of.sequence === sequence)?.entry;
      return entry && isSameTenant(entry.tenant, tenant) ? [entry] : [];
    });
  }

  async readLines(
    query: Pick<AuditQuery, 'tenant'>,
    places: readonly AuditPlace[],
    { lineOf }: LineShape,
  ): Promise<string> {
    return (await this.read(query, places)).map(lineOf).join('');
  }

  async follow({ after, limit, ...query }: AuditFollow): Promise<AuditFollowed> {
    const found = this.#find({ ...query, direction: 'asc', limit })
      .filter(({ sequence }) => sequence >= after)
      .toSorted((a, b) => a.sequence - b.sequence);
    const page = found.slice(0, limit);
    const isLast = page.length === found.length;
    const next = isLast ? this.#lastSequence + 1 : (page.at(-1)?.sequence ?? 0) + 1;
    return { entries: page.map(({ entry }) => entry), next };
  }

  async count({ by, intervalMicros = 0, ...query }: AuditCounting): Promise<AuditCount[]> {
    const counts = new Map<string, AuditCount>();
    for (const { entry, timeMicros } of this.#find({ ...query, direction: 'asc', limit: 1 })) {
      const values = by.map((field) => entry[field] ?? '');
      const startMicros = intervalMicros && timeMicros - (timeMicros % intervalMicros);
      const key = JSON.stringify([startMicros, values]);
      counts.set(key, { startMicros, values, count: (counts.get(key)?.count ?? 0) + 1 });
    }
    return [...counts.values()];
  }

  async listAccounts(limit: number): Promise<readonly string[]> {
    const accounts = this.#events
      .map(({ entry }) => entry.tenant)
      .filter(({ kind }) => kind === 'account');
    return [...new Set(accounts.map(({ id }) => id))].toSorted().slice(0, limit);
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

/** Ids are unique within a month. */
function nameOf(entry: AuditEntry): string {
  return `${entry.tenant.kind} ${entry.tenant.id} ${monthOf(entry)} ${entry.id}`;
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
