import {
  InvalidJobError,
  RevisionConflictError,
  Secret,
  type AttemptResult,
  type ChangeTrail,
  type Dataset,
  type Job,
  type JobSpec,
  type JobStore,
  type ParsedDestination,
} from '@trailpush/core';

import { noSuchDataset, available } from './dataset-routes.ts';
import type { DestinationCheck } from './destination-check.ts';
import { ApiError, CODE, invalidProperty } from './envelope.ts';
import { newJobSpec, type JobChange } from './job-shape.ts';
import { checkStartAt, startOfJob, type JobStartDeps } from './job-start.ts';
import type { Ownership } from './ownership.ts';

/** What the API needs of `@trailpush/destinations`, with the operator's policy applied. */
export interface DestinationConfs {
  /** @throws InvalidDestinationError */
  parse(conf: string): ParsedDestination;
  redact(conf: string): string;
  /** Puts stored secrets back in place of `REDACTED`. @throws InvalidDestinationError */
  restore(sent: string, stored: string): string;
  /** Sends the test upload to a conf that `parse` takes. Never throws for what happens outside. */
  probe(conf: string, signal: AbortSignal): Promise<AttemptResult>;
  /** Whether Logpush wants a proof of ownership for such a conf. @throws InvalidDestinationError */
  demandsOwnership(conf: string): boolean;
  /** Where `putChallenge` writes. @throws InvalidDestinationError */
  challengeFilename(conf: string): string;
  /** Writes a token to a conf that `parse` takes. Never throws for what happens outside. */
  putChallenge(conf: string, token: string, signal: AbortSignal): Promise<AttemptResult>;
}

export interface JobChangeDeps extends JobStartDeps {
  readonly jobs: JobStore;
  readonly datasets: ReadonlyMap<string, Dataset>;
  readonly destinations: DestinationConfs;
  readonly check: Pick<DestinationCheck, 'require'>;
  readonly ownership: Pick<Ownership, 'prove'>;
  readonly maxJobsPerAccount: number;
  /** Told when an audit event waits in the outbox. */
  readonly relay: { wake(): void };
}

/** The audit event about a change. */
export type Describe = ChangeTrail['describe'];

/** Two clients that edit one job at a time are rare; more than a few in a row are a loop somewhere. */
const MAX_CONFLICTS = 3;

/** Creates and changes jobs: merges what was sent with what is stored, and checks the whole. */
export class JobChanges {
  readonly #deps: JobChangeDeps;

  constructor(deps: JobChangeDeps) {
    this.#deps = deps;
  }

  /** @throws ApiError, InvalidJobError, InvalidDestinationError; 503 when the log cannot be asked. */
  async create(accountId: string, change: JobChange, describe: Describe): Promise<Job> {
    const { jobs, datasets, check, ownership } = this.#deps;
    if (change.destinationConf === undefined) {
      throw invalidProperty('destination_conf', 'destination_conf must be given');
    }
    if (change.dataset === undefined) {
      throw invalidProperty('dataset', `dataset must be given: ${available(datasets)}`);
    }
    const base = newJobSpec(change.dataset, new Secret(change.destinationConf));
    const spec = { ...base, kind: change.kind ?? '', ...change.settings };
    this.#check(spec);
    const { startAtMs } = change;
    if (startAtMs !== undefined) {
      checkStartAt(startAtMs, { ...spec, wasEnabled: false }, this.#deps);
    }
    await this.#checkQuota(accountId, spec);
    const { destinationConf: conf, ownershipChallenge } = change;
    const challenge = await ownership.prove(`account:${accountId}`, conf, ownershipChallenge);
    await check.require(accountId, change.destinationConf);
    // Others of the account were checked meanwhile.
    await this.#checkQuota(accountId, spec);
    const start = spec.enabled ? await startOfJob(accountId, startAtMs, this.#deps) : undefined;
    const job = await jobs.create(accountId, spec, start, { describe, ...challenge });
    this.#deps.relay.wake();
    return job;
  }

  async #checkQuota(accountId: string, { dataset }: JobSpec): Promise<void> {
    const { jobs, maxJobsPerAccount } = this.#deps;
    if ((await jobs.list(accountId)).length < maxJobsPerAccount) return;
    const message = `creating a new job (for ${dataset} dataset) is not allowed: exceeded max jobs allowed`;
    throw new ApiError(403, [{ code: CODE.notAllowed, message }]);
  }

  /**
   * Applies the properties that were sent; the others keep their values.
   * @returns undefined when the account has no such job.
   * @throws as `create`; RevisionConflictError after several lost races.
   */
  async update(
    accountId: string,
    id: number,
    change: JobChange,
    describe: Describe,
  ): Promise<Job | undefined> {
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        return await this.#tryUpdate(accountId, id, change, describe);
      } catch (error) {
        if (!(error instanceof RevisionConflictError) || conflicts === MAX_CONFLICTS) throw error;
      }
    }
  }

  /** @returns undefined when the account has no such job. */
  async delete(
    accountId: string,
    id: number,
    describe: Describe,
  ): Promise<{ droppedPlans: number } | undefined> {
    const deleted = await this.#deps.jobs.delete(accountId, id, { describe });
    this.#deps.relay.wake();
    return deleted;
  }

  async #tryUpdate(
    accountId: string,
    id: number,
    change: JobChange,
    describe: Describe,
  ): Promise<Job | undefined> {
    const { jobs, check, ownership } = this.#deps;
    const stored = await jobs.get(accountId, id);
    if (stored === undefined) return undefined;
    const spec = this.#merge(stored.spec, change);
    this.#check(spec);
    const { startAtMs } = change;
    if (startAtMs !== undefined) {
      const { wasEnabled } = stored;
      checkStartAt(startAtMs, { ...spec, wasEnabled }, this.#deps);
    }
    if (sameSpec(spec, stored.spec)) return stored;
    const conf = spec.destinationConf.reveal();
    // An unreachable receiver must not keep anybody from switching the job off.
    const moves = conf !== stored.spec.destinationConf.reveal();
    const challenge = moves
      ? await ownership.prove(`account:${accountId}`, conf, change.ownershipChallenge)
      : undefined;
    if (moves) await check.require(accountId, conf);
    const isFirstEnabling = spec.enabled && !stored.wasEnabled;
    const job = await jobs.update(accountId, id, {
      spec,
      expectedRevision: stored.revision,
      contentChanged:
        spec.filter !== stored.spec.filter ||
        spec.outputOptions !== stored.spec.outputOptions ||
        spec.logpullOptions !== stored.spec.logpullOptions,
      start: isFirstEnabling ? await startOfJob(accountId, startAtMs, this.#deps) : undefined,
      trail: { describe, ...challenge },
    });
    this.#deps.relay.wake();
    return job;
  }

  #merge(stored: JobSpec, change: JobChange): JobSpec {
    rejectFixed('dataset', change.dataset, stored.dataset);
    rejectFixed('kind', change.kind, stored.kind);
    const { destinationConf } = change;
    return {
      ...stored,
      ...change.settings,
      destinationConf:
        destinationConf === undefined
          ? stored.destinationConf
          : new Secret(
              this.#deps.destinations.restore(destinationConf, stored.destinationConf.reveal()),
            ),
    };
  }

  #check(spec: JobSpec): void {
    const dataset = this.#deps.datasets.get(spec.dataset);
    if (dataset === undefined) {
      throw invalidProperty('dataset', noSuchDataset(spec.dataset, this.#deps.datasets));
    }
    if (spec.kind === 'edge') {
      throw invalidProperty('kind', 'kind "edge" is only available for the http_requests dataset');
    }
    checkFilter(dataset, spec.filter);
    dataset.parseOutputOptions(spec);
    this.#deps.destinations.parse(spec.destinationConf.reveal());
  }
}

function rejectFixed(property: string, sent: string | undefined, stored: string): void {
  if (sent === undefined || sent === stored) return;
  throw invalidProperty(
    property,
    `${property} cannot be changed after the job was created (it is ${JSON.stringify(stored)}): create another job`,
  );
}

/** @throws InvalidJobError which points at the filter as a whole. */
export function checkFilter(dataset: Dataset, filter: string): void {
  try {
    dataset.checkFilter(filter);
  } catch (error) {
    if (!(error instanceof InvalidJobError)) throw error;
    // Its pointer leads into the text of the filter; for the client the filter is one value.
    throw new InvalidJobError('/filter', error.message);
  }
}

function sameSpec(a: JobSpec, b: JobSpec): boolean {
  const comparable = ({ destinationConf, ...rest }: JobSpec) => ({
    ...rest,
    conf: destinationConf.reveal(),
  });
  const [left, right] = [comparable(a), comparable(b)];
  return (Object.keys(left) as (keyof typeof left)[]).every((key) => left[key] === right[key]);
}
