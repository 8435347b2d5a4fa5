import type { z } from 'zod';

import { ApiError, CODE, type ErrorItem } from './envelope.ts';

const MAX_LISTED_PROBLEMS = 20;
const MAX_NAME_CHARACTERS = 80;

/**
 * Returns what reads a request body that must have this shape, and no other properties.
 * The reader throws ApiError (400), with an item for every property that is wrong.
 * @param what `a job`, as errors call it
 */
export function bodyReader<Schema extends z.ZodObject>(
  schema: Schema,
  what: string,
): (body: unknown) => z.infer<Schema> {
  const known = new Set(Object.keys(schema.shape));
  return (body) => {
    const parsed = schema.safeParse(body);
    const problems: ErrorItem[] = [];
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
      for (const name of Object.keys(body)) {
        if (!known.has(name)) problems.push(problem(name, `is not a property of ${what}`));
      }
    }
    for (const issue of parsed.error?.issues ?? []) {
      const name = issue.path[0];
      if (name === undefined) {
        problems.push({ code: CODE.invalid, message: 'the body must be a JSON object' });
      } else problems.push(problem(String(name), issue.message));
    }
    const [first, ...others] = problems;
    if (first === undefined && parsed.success) return parsed.data;
    const fallback = { code: CODE.invalid, message: 'the body is not acceptable' };
    throw new ApiError(400, [first ?? fallback, ...others.slice(0, MAX_LISTED_PROBLEMS - 1)]);
  };
}

function problem(property: string, message: string): ErrorItem {
  const isLong = property.length > MAX_NAME_CHARACTERS;
  const shown = isLong ? `${property.slice(0, MAX_NAME_CHARACTERS)}...` : property;
  return {
    code: CODE.invalid,
    message: `${shown} ${message}`,
    source: { pointer: `/${shown.replaceAll('~', '~0').replaceAll('/', '~1')}` },
  };
}
