import type { Dataset } from '@trailpush/core';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

import { bodyReader } from './body-reader.ts';
import { available, noSuchDataset } from './dataset-routes.ts';
import { ApiError, CODE, invalidProperty, ok } from './envelope.ts';
import { checkFilter } from './job-changes.ts';
import { contentProperties } from './job-shape.ts';
import { previewContent, type Preview, type PreviewDeps, type PreviewOrder } from './preview.ts';

export interface PreviewRoutesDeps extends PreviewDeps {
  readonly datasets: ReadonlyMap<string, Dataset>;
}

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
/** Under way at one time, one an account: each reads and decodes as fast as it can. */
const MAX_PREVIEWS = 2;

const limitError = `must be a whole number from 1 to ${MAX_LIMIT}`;
const body = z
  .object({
    ...contentProperties,
    limit: z
      .int({ error: limitError })
      .min(1, { error: limitError })
      .max(MAX_LIMIT, { error: limitError }),
  })
  .partial();

/** `POST .../logpush/preview`: what a job would deliver. No destination has a part in it. */
export function registerPreviewRoute(app: FastifyInstance, deps: PreviewRoutesDeps): void {
  const read = bodyReader(body, 'a preview');
  const underWay = new Set<string>();

  app.post<{ Params: { account_id: string } }>(
    '/accounts/:account_id/logpush/preview',
    async (request) => {
      const accountId = request.params.account_id;
      const order = toOrder(accountId, read(request.body), deps.datasets);
      if (underWay.has(accountId) || underWay.size >= MAX_PREVIEWS) {
        const message = `a preview of this account, or ${MAX_PREVIEWS} of others, are being made: try again in a few seconds`;
        throw new ApiError(429, [{ code: CODE.rateLimited, message }]);
      }
      underWay.add(accountId);
      try {
        return show(await previewContent(order, deps));
      } finally {
        underWay.delete(accountId);
      }
    },
  );
}

function toOrder(
  accountId: string,
  order: z.infer<typeof body>,
  datasets: ReadonlyMap<string, Dataset>,
): PreviewOrder {
  const { dataset: name } = order;
  if (name === undefined || name === null) {
    throw invalidProperty('dataset', `dataset must be given: ${available(datasets)}`);
  }
  const dataset = datasets.get(name);
  if (!dataset) throw invalidProperty('dataset', noSuchDataset(name, datasets));
  const content = {
    dataset: name,
    filter: order.filter ?? '',
    outputOptions: order.output_options ?? null,
    logpullOptions: order.logpull_options ?? null,
  };
  checkFilter(dataset, content.filter);
  return { accountId, dataset, content, limit: order.limit ?? DEFAULT_LIMIT };
}

function show({ contentType, ...rest }: Preview): object {
  const notices = rest.complete
    ? []
    : [
        `the search ended after ${rest.examined} records of the log, which is as far as a preview looks: older events may match as well`,
      ];
  return ok({ ...rest, content_type: contentType }, notices);
}
