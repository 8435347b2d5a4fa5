import type { SavedQuery } from '@trailpush/core';
import { z } from 'zod';

import { invalidProperty } from '../envelope.ts';
import { filterNames, readFilters } from './filters.ts';
import { Parameters } from './parameters.ts';
import type { ProductCategories } from './product-categories.ts';
import { readSearch } from './search.ts';
import { readWindow } from './time.ts';

const MAX_NAME_CHARACTERS = 120;
/** Twenty years: longer than anything is kept. */
const MAX_SECONDS = 631_152_000;
const KNOWN: ReadonlySet<string> = new Set([
  ...filterNames('account'),
  ...['search', 'since', 'before'],
]);

const time = z.string().max(64);
const NAME = { error: `must be a text of 1 to ${MAX_NAME_CHARACTERS} characters` };
const FILTERS = { error: 'must be an object of lists, such as {"action_type": ["create"]}' };
/** For what is no object, or has a member more. */
const QUERY = {
  error: 'must be an object of filters, search, and last_seconds or since and before',
};
const schema = z.strictObject({
  name: z.string(NAME).min(1, NAME).max(MAX_NAME_CHARACTERS, NAME),
  query: z
    .strictObject(
      {
        filters: z.record(z.string(), z.array(z.string(), FILTERS), FILTERS).default({}),
        search: z.string().optional(),
        last_seconds: z.number().int().min(1).max(MAX_SECONDS).optional(),
        since: time.optional(),
        before: time.optional(),
      },
      QUERY,
    )
    .refine(
      ({ last_seconds: last, since, before }) =>
        last === undefined ? (since === undefined) === (before === undefined) : !since && !before,
      { error: 'takes either last_seconds, or since and before together, or none of them' },
    ),
});

/** What a client saves. Filters, words and times are those that the list takes. @throws ApiError 400 */
export function readSavedQuery(
  body: unknown,
  categories: ProductCategories,
): Pick<SavedQuery, 'name' | 'query'> {
  const { data, error } = schema.safeParse(body);
  if (error !== undefined) {
    const [issue] = error.issues;
    const property = issue?.path.join('/') ?? '';
    throw invalidProperty(
      property,
      `${property === '' ? 'the body' : property.replaceAll('/', '.')}: ${issue?.message ?? ''}`,
    );
  }
  const { name, query } = data;
  const sent = new URLSearchParams(
    Object.entries(query.filters).flatMap(([filter, values]) =>
      values.map((value): [string, string] => [filter, value]),
    ),
  );
  for (const word of ['search', 'since', 'before'] as const) {
    if (query[word] !== undefined) sent.append(word, query[word]);
  }
  const parameters = new Parameters(`?${sent.toString()}`, KNOWN);
  readFilters(parameters, 'account', categories);
  readSearch(parameters);
  if (query.since !== undefined) readWindow(parameters);
  return { name, query: JSON.stringify(query) };
}

/** A saved query as answers show it. */
export function showSavedQuery({
  id,
  name,
  query,
  createdBy,
  createdAtMs,
  updatedAtMs,
}: SavedQuery) {
  return {
    ...{ id, name },
    query: JSON.parse(query) as object,
    created_by: createdBy,
    created_on: new Date(createdAtMs).toISOString(),
    updated_on: new Date(updatedAtMs).toISOString(),
  };
}
