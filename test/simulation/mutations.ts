/** A fault planted in a copy of the batcher's core: `find` must be there exactly once. */
export interface Mutation {
  readonly name: string;
  /** Below `services/batcher/src`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Each is a mistake that somebody could make, and that a simulation worth its time must notice. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'commit on read',
    file: 'tracks.ts',
    find: 'if (owedFrom === undefined) idle.push(jobId);',
    replace: 'if (owedFrom === undefined || lane === "live") idle.push(jobId);',
  },
  {
    name: 'no fence: a stale insert passes for a stored plan',
    file: 'fenced-progress.ts',
    find: `this.#store.insertPlan(this.ownership, plan));
        if (result === 'stale') throw new LostPartitionError();`,
    replace: 'this.#store.insertPlan(this.ownership, plan));',
  },
  {
    name: 'plan not stored before the put',
    file: 'fenced-progress.ts',
    find: 'const result = await this.#turns.repeat(() => this.#store.insertPlan(this.ownership, plan));',
    replace: `const inserting = this.#turns.repeat(() => this.#store.insertPlan(this.ownership, plan));
        const result: string = first < 0 ? await inserting : 'inserted';`,
  },
  {
    name: 'start-only names',
    file: 'object-name.ts',
    find: 'partition, first, last].join',
    replace: 'partition, first].join',
  },
  {
    name: 'timeout taken for success',
    file: 'deliver.ts',
    find: "if (result.verdict.kind !== 'delivered') {",
    replace: "if (result.verdict.kind !== 'delivered' && result.verdict.kind !== 'retry') {",
  },
  {
    name: 'a refused batch taken for delivered',
    file: 'deliver.ts',
    find: "if (result.verdict.kind !== 'delivered') {",
    replace: "if (result.verdict.kind !== 'delivered' && result.verdict.kind !== 'refused') {",
  },
  {
    name: 'a later success passes an earlier failure',
    file: 'track.ts',
    find: 'const head = this.deliveries[0];',
    replace: 'const head = this.deliveries.at(-1);',
  },
  {
    name: 'the open batch kept when its job is detached',
    file: 'track.ts',
    find: `    this.sweeping = false;
    this.#dropBatch();
    this.#owner.wakeCatchUp();`,
    replace: `    this.sweeping = false;
    this.#owner.wakeCatchUp();`,
  },
  {
    name: 'live cursors: a sweep goes by where a track stands now',
    file: 'catch-up-lane.ts',
    find: 'if (taker.sweeping && isDone) taker.position',
    replace: 'if (isDone) taker.position',
  },
  {
    name: 'dead letters after the cursor',
    file: 'fenced-progress.ts',
    find: 'const letters = this.#deadLetters;',
    replace: 'const letters: NewDeadLetter[] = this.#unsaved < 9 ? [] : this.#deadLetters;',
  },
  {
    name: 'hand-over off by one',
    file: 'track.ts',
    find: 'if (this.position < horizon) return;',
    replace: 'if (this.position < horizon - 1) return;',
  },
  {
    name: 'restored live off by one',
    file: 'track.ts',
    find: "return this.position < horizon ? 'catch-up' : 'live';",
    replace: "return this.position < horizon - 1 ? 'catch-up' : 'live';",
  },
  {
    name: 'confirmed flag forgotten',
    file: 'delivery.ts',
    find: 'delivery.confirmed = plan.confirmed;',
    replace: 'delivery.confirmed = false;',
  },
  {
    name: 'age timer broken',
    file: 'close-due.ts',
    find: '< open.limits.maxAgeMs) continue;',
    replace: '< open.limits.maxAgeMs * 4) continue;',
  },
  {
    name: 'budget not enforced',
    file: 'memory-budget.ts',
    find: 'return this.#heldBytes >= this.limitBytes ||',
    replace: 'return',
  },
  {
    name: 'a replay beyond its end',
    file: 'replay-track.ts',
    find: 'return offset < this.#end && super.wants',
    replace: 'return super.wants',
  },
  {
    name: 'a replay in the folder of its job',
    file: 'open-job.ts',
    find: "const pathTemplate = path === '' ? folder : `${path}/${folder}`;",
    replace: 'const pathTemplate = path;',
  },
  {
    name: 'a replay at no pace',
    file: 'replay-track.ts',
    find: 'if (this.#pace?.pass() === false)',
    replace: 'if (this.#pace === null)',
  },
  {
    name: 'a replay that is newer than the claim begins nowhere',
    file: 'claims.ts',
    find: 'const claim = await this.#claim(number, taken.epoch, bounds.start);',
    replace: 'const claim = { ...taken, kept: true };',
  },
  {
    name: 'gap without a row',
    file: 'partition.ts',
    find: 'await this.progress.recordGap(gap, () => {\n      track.position = Math.max(track.position, to);\n    });',
    replace: 'track.position = Math.max(track.position, to);',
  },
  {
    name: 'content of a new revision under an old plan',
    file: 'plan-reader.ts',
    find: 'if (plan.contentRevision !== contentRevision) {',
    replace: 'if (plan.contentRevision < 0) {',
  },
  {
    name: 'new content from the middle of a batch',
    file: 'track.ts',
    find: 'else this.#goTo(from);',
    replace: '',
  },
  {
    name: 'an empty job set obeyed',
    file: 'job-set.ts',
    find: 'const gone = missing.filter(({ job }) => deleted.has(job.id));',
    replace: 'const gone = missing;',
  },
  {
    name: 'partitions taken with a shrunken job set',
    file: 'batcher.ts',
    find: 'if (!jobs.isWhole) throw new Error(NOT_WHOLE);',
    replace: '',
  },
  {
    name: 'plans forgotten at a claim',
    file: 'tracks.ts',
    find: 'plansOf.get(open.job.id) ?? []',
    replace: '[]',
  },
  {
    name: 'a new job starts where the live lane is',
    file: 'track.ts',
    find: '(row?.cursor ?? this.progress.liveFrom)',
    replace: 'this.#owner.livePosition()',
  },
  {
    name: 'a failed pin taken for stored',
    file: 'fenced-progress.ts',
    find: 'const kept = await this.#turns.repeat(() => this.#store.pin(this.ownership, pin));',
    replace: 'const kept = await this.#store.pin(this.ownership, pin).catch(() => true);',
  },
  {
    name: 'a plan cut without a gap',
    file: 'renders.ts',
    find: 'render.delivery.lose(start);',
    replace: 'render.delivery.end();',
  },
  {
    name: 'a refused record kept in memory that is taken back',
    file: 'set-aside.ts',
    find: '{ ...record, key: copyOf(record.key), value: copyOf(record.value) }',
    replace: 'record',
  },
];
