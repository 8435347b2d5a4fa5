import { InvalidJobError } from '@trailpush/core';

/** The 14 operators of Logpush filters. Which of them fit a field depends on its type. */
const OPERATORS = new Set([
  ...['eq', '!eq', 'lt', 'leq', 'gt', 'geq', 'in', '!in'],
  ...['startsWith', 'endsWith', '!startsWith', '!endsWith', 'contains', '!contains'],
]);

/** Logpush's documented limits; deeper nesting than operators allow cannot occur. */
const MAX_FILTER_BYTES = 1000;
const MAX_OPERATORS = 30;

export interface FilterLeaf {
  readonly kind: 'leaf';
  readonly key: string;
  readonly operator: string;
  readonly value: unknown;
  /** JSON pointer into the filter, for messages. */
  readonly pointer: string;
}

export type FilterNode =
  FilterLeaf | { readonly kind: 'and' | 'or'; readonly nodes: readonly FilterNode[] };

function invalid(pointer: string, message: string): InvalidJobError {
  return new InvalidJobError(pointer, `filter${pointer}: ${message}`);
}

type Members = ReadonlyMap<string, unknown>;

function membersOf(value: unknown, pointer: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(pointer, 'an object was expected');
  }
  return new Map<string, unknown>(Object.entries(value));
}

/** Cloudflare's clients know these sentences: "And can't be set with Or, Key, Operator or Value". */
function parseGroup(name: 'and' | 'or', members: Members, pointer: string): FilterNode {
  const title = name === 'and' ? 'And' : 'Or';
  if (members.size > 1) {
    const other = name === 'and' ? 'Or' : 'And';
    throw invalid(pointer, `${title} can't be set with ${other}, Key, Operator or Value`);
  }
  const elements = members.get(name);
  if (!Array.isArray(elements) || elements.length === 0) {
    throw invalid(`${pointer}/${name}`, `${name} needs a list with at least one condition`);
  }
  const nodes = elements.map((element: unknown, index) => {
    const at = `${pointer}/${name}/${index}`;
    try {
      return parseNode(element, at);
    } catch (error) {
      if (!(error instanceof InvalidJobError)) throw error;
      const detail = error.message.slice(error.message.indexOf(': ') + 2);
      throw invalid(error.pointer, `element ${index} in ${title} is invalid: ${detail}`);
    }
  });
  return { kind: name, nodes };
}

function parseNode(value: unknown, pointer: string): FilterNode {
  const members = membersOf(value, pointer);
  if (members.has('and')) return parseGroup('and', members, pointer);
  if (members.has('or')) return parseGroup('or', members, pointer);
  const key = members.get('key');
  const operator = members.get('operator');
  if (typeof key !== 'string' || key === '') throw invalid(pointer, 'Key is missing');
  if (typeof operator !== 'string' || operator === '')
    throw invalid(pointer, 'Operator is missing');
  if (!members.has('value') || members.get('value') === null)
    throw invalid(pointer, 'Value is missing');
  if (!OPERATORS.has(operator)) {
    throw invalid(pointer, `unknown operator ${JSON.stringify(operator)}`);
  }
  for (const member of members.keys()) {
    if (member !== 'key' && member !== 'operator' && member !== 'value') {
      throw invalid(pointer, `unknown member ${JSON.stringify(member)}`);
    }
  }
  return { kind: 'leaf', key, operator, value: members.get('value'), pointer };
}

function countLeaves(node: FilterNode): number {
  return node.kind === 'leaf' ? 1 : node.nodes.reduce((sum, child) => sum + countLeaves(child), 0);
}

/**
 * Parses filter JSON: `{"where": node}`, where a node is a condition or a list under `and` or `or`.
 * An empty text means no filter, as old clients send it. @throws InvalidJobError with a pointer
 */
export function parseFilter(filter: string): FilterNode | undefined {
  if (filter === '') return undefined;
  const bytes = Buffer.byteLength(filter);
  if (bytes > MAX_FILTER_BYTES) {
    throw invalid('', `it has ${bytes} bytes, and ${MAX_FILTER_BYTES} are allowed`);
  }
  let document: unknown;
  try {
    document = JSON.parse(filter);
  } catch {
    throw invalid('', 'it is not JSON');
  }
  const members = membersOf(document, '');
  if (!members.has('where')) throw invalid('', 'it must have the member "where"');
  if (members.size > 1) throw invalid('', 'it must have no member besides "where"');
  const root = parseNode(members.get('where'), '/where');
  const operators = countLeaves(root);
  if (operators > MAX_OPERATORS) {
    throw invalid('', `it has ${operators} operators, and ${MAX_OPERATORS} are allowed`);
  }
  return root;
}
