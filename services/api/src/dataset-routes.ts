import type { Dataset, FieldSpec, Job, JobStore } from '@trailpush/core';
import type { FastifyInstance } from 'fastify';

import { ApiError, CODE, ok } from './envelope.ts';

export interface DatasetRoutesDeps {
  readonly jobs: JobStore;
  readonly datasets: ReadonlyMap<string, Dataset>;
  readonly show: (job: Job) => object;
}

interface OfDataset {
  Params: { account_id: string; dataset_id: string };
}

/** `/accounts/:account_id/logpush/datasets/:dataset_id`: its fields, and the jobs that deliver it. */
export function registerDatasetRoutes(app: FastifyInstance, deps: DatasetRoutesDeps): void {
  const one = '/accounts/:account_id/logpush/datasets/:dataset_id';

  app.get<OfDataset>(`${one}/fields`, async ({ params }) => {
    const { fields } = find(deps.datasets, params.dataset_id);
    return ok(describe(fields));
  });

  // A job that names no fields delivers all.
  app.get<OfDataset>(`${one}/fields/default`, async ({ params }) => {
    const { fields } = find(deps.datasets, params.dataset_id);
    return ok(describe(fields));
  });

  app.get<OfDataset>(`${one}/jobs`, async ({ params }) => {
    const { id } = find(deps.datasets, params.dataset_id);
    const jobs = await deps.jobs.list(params.account_id);
    return ok(jobs.filter(({ spec }) => spec.dataset === id).map(deps.show));
  });
}

function find(datasets: ReadonlyMap<string, Dataset>, id: string): Dataset {
  const dataset = datasets.get(id);
  if (dataset !== undefined) return dataset;
  throw new ApiError(404, [{ code: CODE.notFound, message: 'dataset not found' }]);
}

function describe(fields: readonly FieldSpec[]): Record<string, string> {
  return Object.fromEntries(
    fields.map(({ name, type, description }) => [
      name,
      `${type === 'timestamp' ? 'int or string' : type}; ${description}`,
    ]),
  );
}

/** Which datasets there are, as the end of a sentence. */
export function available(datasets: ReadonlyMap<string, Dataset>): string {
  return `this installation has ${[...datasets.keys()].join(', ')}`;
}

export function noSuchDataset(id: string, datasets: ReadonlyMap<string, Dataset>): string {
  return `dataset ${JSON.stringify(id.slice(0, 80))} does not exist: ${available(datasets)}`;
}
