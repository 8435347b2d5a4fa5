import type { ChangeTrail, Job, JobSpec, JobStore, Start } from '@trailpush/core';
import type { MemoryStores } from './memory-stores.ts';
import type { StoreFaults } from './store-faults.ts';

/** The jobs as one process sees them. */
export class MemoryJobs implements JobStore {
  readonly #stores: MemoryStores;
  readonly #faults: StoreFaults;
  /** What a batcher keeps of what it loaded: nobody can notice that another job is missing. */
  readonly #known = new Set<number>();
  #loaded: readonly Job[] = [];

  constructor(stores: MemoryStores, faults: StoreFaults) {
    this.#stores = stores;
    this.#faults = faults;
  }

  create(
    accountId: string,
    spec: JobSpec,
    start: Start | undefined,
    trail?: ChangeTrail,
  ): Promise<Job> {
    return this.#faults.pass('create', () =>
      this.#stores.create(accountId, spec, start, { trail }),
    );
  }

  get(accountId: string, id: number): Promise<Job | undefined> {
    return this.#faults.pass('get', () => this.#find(accountId, id));
  }

  list(accountId: string): Promise<readonly Job[]> {
    return this.#faults.pass('list', () =>
      [...this.#stores.jobs.values()]
        .map(({ job }) => job)
        .filter((job) => job.accountId === accountId && !job.replay),
    );
  }

  update(
    accountId: string,
    id: number,
    change: Parameters<JobStore['update']>[2],
  ): Promise<Job | undefined> {
    return this.#faults.pass('update', () =>
      this.#find(accountId, id) ? this.#stores.update(id, change) : undefined,
    );
  }

  delete(
    accountId: string,
    id: number,
    trail?: ChangeTrail,
  ): Promise<{ droppedPlans: number } | undefined> {
    return this.#faults.pass('delete', () =>
      this.#find(accountId, id) ? this.#stores.delete(id, trail) : undefined,
    );
  }

  async loadAll(): ReturnType<JobStore['loadAll']> {
    const answer = await this.#faults.pass('loadAll', () => {
      const { jobs: stored, vanished, version } = this.#stores;
      const isMissing = (id: number) => vanished.has(id) && stored.has(id);
      const hides = [...this.#known].some(isMissing);
      const all = [...stored.values()].map(({ job }) => job);
      return { version, jobs: hides ? all.filter(({ id }) => !vanished.has(id)) : all };
    });
    this.#loaded = answer.jobs;
    const ids = new Set(answer.jobs.map(({ id }) => id));
    // Else it asks first which of them were deleted, and may get no answer.
    if ([...this.#known].every((id) => ids.has(id))) this.#learn();
    return answer;
  }

  loadContent(jobId: number, contentRevision: number): ReturnType<JobStore['loadContent']> {
    return this.#faults.pass(
      'loadContent',
      () =>
        this.#stores.jobs
          .get(jobId)
          ?.revisions.find((revision) => revision.contentRevision === contentRevision)?.spec,
    );
  }

  async deletedAmong(ids: readonly number[]): Promise<ReadonlySet<number>> {
    const deleted = await this.#faults.pass(
      'deletedAmong',
      () => new Set(ids.filter((id) => this.#stores.deleted.has(id))),
    );
    for (const id of deleted) this.#known.delete(id);
    this.#learn();
    return deleted;
  }

  async watch(onChange: () => void): Promise<() => Promise<void>> {
    const unwatch = this.#stores.watch(() => {
      if (!this.#faults.severed) onChange();
    });
    return async () => unwatch();
  }

  #find(accountId: string, id: number): Job | undefined {
    const job = this.#stores.jobs.get(id)?.job;
    return job?.accountId === accountId && !job.replay ? job : undefined;
  }

  #learn(): void {
    for (const { id, wasEnabled } of this.#loaded) if (wasEnabled) this.#known.add(id);
  }
}
