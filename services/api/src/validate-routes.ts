import {
  InvalidDestinationError,
  InvalidJobError,
  type Dataset,
  type JobStore,
} from '@trailpush/core';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

import { bodyReader } from './body-reader.ts';
import { noSuchDataset } from './dataset-routes.ts';
import type { DestinationCheck } from './destination-check.ts';
import { ok } from './envelope.ts';
import type { DestinationConfs } from './job-changes.ts';
import type { RateLimit } from './rate-limit.ts';

export interface ValidateRoutesDeps {
  readonly jobs: Pick<JobStore, 'list'>;
  readonly datasets: ReadonlyMap<string, Dataset>;
  readonly destinations: DestinationConfs;
  readonly check: DestinationCheck;
  /** Each of these calls makes a connection to wherever the caller likes. */
  readonly limit: RateLimit;
}

interface OfScope {
  Params: { account_id?: string; zone_id?: string };
}

const confBody = z.object({
  destination_conf: z.string({ error: 'must be a text' }),
});

const originBody = z.object({
  logpull_options: z.string({ error: 'must be a text or null' }).nullable(),
  dataset: z.string({ error: 'must be the name of a dataset' }).optional(),
});

/** What is wrong, as these calls answer: in the result of a request that succeeded. */
const judged = (problem: string | undefined) =>
  ok({ valid: problem === undefined, message: problem ?? '' });

/** `validate/destination`, `validate/destination/exists` and `validate/origin` of accounts and zones. */
export function registerValidateRoutes(app: FastifyInstance, deps: ValidateRoutesDeps): void {
  const readConf = bodyReader(confBody, 'this request');
  const readOrigin = bodyReader(originBody, 'this request');

  for (const scope of ['/accounts/:account_id', '/zones/:zone_id']) {
    const validate = `${scope}/logpush/validate`;

    app.post<OfScope>(
      `${validate}/destination`,
      { onRequest: deps.limit },
      async ({ params, body }) => {
        const { destination_conf: conf } = readConf(body);
        return judged(await deps.check.judge(params.account_id ?? params.zone_id ?? '', conf));
      },
    );

    app.post<OfScope>(`${validate}/destination/exists`, async ({ params, body }) => {
      const { destination_conf: conf } = readConf(body);
      const { account_id: accountId } = params;
      return ok({ exists: accountId !== undefined && (await isInUse(deps, accountId, conf)) });
    });

    app.post<OfScope>(`${validate}/origin`, async ({ body }) => {
      const { logpull_options: options, dataset } = readOrigin(body);
      return judged(wrongWithOptions(deps.datasets, dataset, options));
    });
  }
}

/** True when a job of the account delivers to the same place, whatever its credentials. */
async function isInUse(
  { jobs, destinations }: ValidateRoutesDeps,
  accountId: string,
  conf: string,
): Promise<boolean> {
  const place = placeOf(destinations, conf);
  if (place === undefined) return false;
  const others = await jobs.list(accountId);
  return others.some(({ spec }) => placeOf(destinations, spec.destinationConf.reveal()) === place);
}

/** Undefined for what is no destination here: no job can have it. */
function placeOf(destinations: DestinationConfs, conf: string): string | undefined {
  try {
    const { location } = destinations.parse(conf);
    const [address] = conf.split('?');
    return JSON.stringify([location, address]);
  } catch (error) {
    if (error instanceof InvalidDestinationError) return undefined;
    throw error;
  }
}

/** Without a dataset, options are right when they are for any of them. */
function wrongWithOptions(
  datasets: ReadonlyMap<string, Dataset>,
  name: string | undefined,
  logpullOptions: string | null,
): string | undefined {
  const candidates = name === undefined ? [...datasets.values()] : [datasets.get(name)];
  let problem: string | undefined;
  for (const dataset of candidates) {
    if (dataset === undefined) return noSuchDataset(name ?? '', datasets);
    try {
      dataset.parseOutputOptions({ outputOptions: null, logpullOptions });
      return undefined;
    } catch (error) {
      if (!(error instanceof InvalidJobError)) throw error;
      problem ??= error.message;
    }
  }
  return problem;
}
