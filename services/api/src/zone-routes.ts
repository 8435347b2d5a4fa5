import type { Dataset } from '@trailpush/core';
import type { FastifyInstance } from 'fastify';

import { ApiError, CODE, ok } from './envelope.ts';
import type { JobChange } from './job-shape.ts';

export interface ZoneRoutesDeps {
  readonly datasets: ReadonlyMap<string, Dataset>;
  readonly readChange: (body: unknown) => JobChange;
}

/**
 * `/zones/:zone_id/logpush`: all datasets of this installation belong to accounts, so that zones have no
 * jobs and can have none.
 */
export function registerZoneRoutes(app: FastifyInstance, deps: ZoneRoutesDeps): void {
  const { datasets, readChange } = deps;
  const zone = '/zones/:zone_id/logpush';

  app.get(`${zone}/jobs`, async () => ok([]));

  app.post(`${zone}/jobs`, async (request) => {
    const { dataset = 'http_requests' } = readChange(request.body);
    throw notAllowed(dataset, datasets.has(dataset));
  });

  app.route({
    method: ['GET', 'PUT', 'DELETE'],
    url: `${zone}/jobs/:job_id`,
    handler: async () => {
      throw new ApiError(404, [{ code: CODE.notFound, message: 'job not found' }]);
    },
  });

  for (const path of ['fields', 'fields/default', 'jobs']) {
    app.get<{ Params: { dataset_id: string } }>(
      `${zone}/datasets/:dataset_id/${path}`,
      async ({ params }) => {
        if (!datasets.has(params.dataset_id)) {
          throw new ApiError(404, [{ code: CODE.notFound, message: 'dataset not found' }]);
        }
        if (path === 'jobs') return ok([]);
        const message = `dataset not found: ${params.dataset_id} is a dataset of accounts, use /accounts/{account_id}`;
        throw new ApiError(404, [{ code: CODE.notFound, message }]);
      },
    );
  }
}

function notAllowed(dataset: string, isOfAccounts: boolean): ApiError {
  const why = isOfAccounts
    ? 'it is a dataset of accounts, use /accounts/{account_id}/logpush/jobs'
    : 'this installation has no datasets of zones';
  const message = `creating a new job (for ${dataset.slice(0, 80)} dataset) is not allowed: ${why}`;
  return new ApiError(403, [{ code: CODE.notAllowed, message }]);
}
