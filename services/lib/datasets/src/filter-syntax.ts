import { InvalidJobError } from '@trailpush/core';

/** The 14 operators of Logpush filters. Which of them fit a field depends on its type. */
const OPERATORS = new Set([
  ...['eq', '!eq', 'lt', 'leq', 'gt', 'geq', 'in', '!in'],
  ...['startsWith', 'endsWith', '!startsWith', '!endsWith', 'contains', '!contains'],
]);

/**
 * Logpush's documented limit. Its other one, about 30 operators, is out of reach within these bytes, and
 * so is nesting that recursion could not follow.
 */
const MAX_FILTER_BYTES = 1000;

export interface FilterLeaf {
  readonly kind: 'leaf';
  readonly key: string;
  readonly operator: string;
  /** As in the JSON; integers that a number cannot hold are bigints. */
  readonly value: unknown;
  /** JSON pointer into the filter, for messages. */
  readonly pointer: string;
}

export type FilterNode =
  FilterLeaf | { readonly kind: 'and' | 'or'; readonly nodes: readonly FilterNode[] };

/** Says where in the words that clients know: "element 1 in Or is invalid: Key is missing". */
export function invalidFilter(pointer: string, message: string): InvalidJobError {
  const places = [...pointer.matchAll(/\/(and|or)\/(\d+)/g)].map(
    ([, list, index]) => `element ${index ?? ''} in ${list === 'and' ? 'And' : 'Or'} is invalid: `,
  );
  return new InvalidJobError(pointer, `filter: ${places.join('')}${message}`);
}

type Members = ReadonlyMap<string, unknown>;

function membersOf(value: unknown, pointer: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidFilter(pointer, 'an object was expected');
  }
  return new Map<string, unknown>(Object.entries(value));
}

/** Cloudflare's clients know these sentences: "And can't be set with Or, Key, Operator or Value". */
function parseGroup(name: 'and' | 'or', members: Members, pointer: string): FilterNode {
  if (members.size > 1) {
    const [title, other] = name === 'and' ? ['And', 'Or'] : ['Or', 'And'];
    throw invalidFilter(pointer, `${title} can't be set with ${other}, Key, Operator or Value`);
  }
  const elements = members.get(name);
  if (!Array.isArray(elements) || elements.length === 0) {
    throw invalidFilter(`${pointer}/${name}`, `${name} needs a list with at least one condition`);
  }
  const nodes = elements.map((element: unknown, index) =>
    parseNode(element, `${pointer}/${name}/${index}`),
  );
  return { kind: name, nodes };
}

function parseNode(value: unknown, pointer: string): FilterNode {
  const members = membersOf(value, pointer);
  if (members.has('and')) return parseGroup('and', members, pointer);
  if (members.has('or')) return parseGroup('or', members, pointer);
  const key = members.get('key');
  const operator = members.get('operator');
  if (typeof key !== 'string' || key === '') throw invalidFilter(pointer, 'Key is missing');
  if (typeof operator !== 'string' || operator === '') {
    throw invalidFilter(pointer, 'Operator is missing');
  }
  if ((members.get('value') ?? null) === null) throw invalidFilter(pointer, 'Value is missing');
  if (!OPERATORS.has(operator)) {
    const known = [...OPERATORS].join(', ');
    throw invalidFilter(
      pointer,
      `unknown operator ${JSON.stringify(operator)}; known are ${known}`,
    );
  }
  for (const member of members.keys()) {
    if (member !== 'key' && member !== 'operator' && member !== 'value') {
      throw invalidFilter(pointer, `unknown member ${JSON.stringify(member)}`);
    }
  }
  return { kind: 'leaf', key, operator, value: members.get('value'), pointer };
}

/** JSON.parse, but integers beyond 2^53 (nanoseconds of any time since 1970) keep all their digits. */
function parseExact(text: string): unknown {
  type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;
  const revive: Reviver = (_, value, { source }) =>
    typeof value === 'number' && source !== undefined && /^-?\d{16,}$/.test(source)
      ? BigInt(source)
      : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

/**
 * Parses filter JSON: `{"where": node}`, where a node is a condition or a list under `and` or `or`.
 * An empty text means no filter, as old clients send it. @throws InvalidJobError with a pointer
 */
export function parseFilter(filter: string): FilterNode | undefined {
  if (filter === '') return undefined;
  const bytes = Buffer.byteLength(filter);
  if (bytes > MAX_FILTER_BYTES) {
    throw invalidFilter('', `it has ${bytes} bytes, and ${MAX_FILTER_BYTES} are allowed`);
  }
  let document: unknown;
  try {
    document = parseExact(filter);
  } catch {
    throw invalidFilter('', 'it is not JSON');
  }
  const members = membersOf(document, '');
  if (!members.has('where')) throw invalidFilter('', 'it must have the member "where"');
  if (members.size > 1) throw invalidFilter('', 'it must have no member besides "where"');
  return parseNode(members.get('where'), '/where');
}

/** The value of `in` and `!in`: a list with at least one element. */
export function listOf(leaf: FilterLeaf, elements: string): readonly unknown[] {
  const { value } = leaf;
  if (Array.isArray(value) && value.length > 0) return value;
  throw wrongValue(leaf, `a list of ${elements}`);
}

export function wrongValue(
  { operator, key, pointer }: FilterLeaf,
  wanted: string,
): InvalidJobError {
  return invalidFilter(pointer, `${operator} on ${key} needs ${wanted}`);
}

export function wrongOperator(
  leaf: FilterLeaf,
  type: string,
  fitting: readonly string[],
): InvalidJobError {
  const { operator, key, pointer } = leaf;
  return invalidFilter(
    pointer,
    `${operator} does not fit ${key}, which is ${type}: use ${fitting.join(', ')}`,
  );
}
