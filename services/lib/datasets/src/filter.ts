import type { EventFilter } from '@trailpush/core';
import type { Field } from './field.ts';
import { compileArray, compileBool, compileText } from './filter-texts.ts';
import { compileInteger, compileTime } from './filter-numbers.ts';
import { invalidFilter, parseFilter, type FilterLeaf, type FilterNode } from './filter-syntax.ts';
import type { LoadedEvent } from './loaded-event.ts';

/**
 * Compiles a Logpush filter to a predicate over the bytes of the loaded record. An absent value is what
 * the line would show for it: `""`, `0`, `false` or `[]`. @throws InvalidJobError
 */
export function compileFilter(
  fields: readonly Field[],
  event: LoadedEvent,
  filter: string,
): EventFilter | undefined {
  const root = parseFilter(filter);
  if (!root) return undefined;
  const byName = new Map(fields.map((field) => [field.name, field]));
  return compileNode(root, (leaf) => {
    const field = byName.get(leaf.key);
    if (!field)
      throw invalidFilter(leaf.pointer, `the dataset has no field ${JSON.stringify(leaf.key)}`);
    return compileLeaf(leaf, field, event);
  });
}

function compileLeaf(leaf: FilterLeaf, field: Field, event: LoadedEvent): EventFilter {
  switch (field.type) {
    case 'string':
      return compileText(leaf, event, field.slot);
    case 'int':
      return compileInteger(leaf, event, field.slot);
    case 'bool':
      return compileBool(leaf, event, field);
    case 'timestamp':
      return compileTime(leaf, event, field.slot);
    case 'array':
      return compileArray(leaf, event, field.slot);
    case 'object':
      throw invalidFilter(leaf.pointer, `${leaf.key} is an object, and objects cannot be filtered`);
  }
}

function compileNode(node: FilterNode, compile: (leaf: FilterLeaf) => EventFilter): EventFilter {
  if (node.kind === 'leaf') return compile(node);
  const filters = node.nodes.map((child) => compileNode(child, compile));
  // A chain of pairs: a call of `every` or `some` costs more than the comparisons inside it.
  return filters.reduceRight((rest, first) =>
    node.kind === 'and' ? () => first() && rest() : () => first() || rest(),
  );
}
