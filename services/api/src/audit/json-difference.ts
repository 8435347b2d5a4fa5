import { applyPatch, createPatch, Pointer, type Operation } from 'rfc6902';

/** Pairs of elements that comparing two arrays may cost; longer ones are replaced as a whole. */
const MAX_PAIRS = 10_000;
/** Keys that the library does not follow. */
const ODD_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
/** Outside of texts: numbers that JavaScript may not hold exactly. */
const ODD_NUMBER = /\d[\d.]{15,}|[eE]\+?\d{2,}/;
const TEXT = /"(?:[^"\\]|\\.)*"/g;

type Invertible = Operation & { oldValue?: unknown };

/**
 * What makes `newer` of `older` (JSON on one line, null: nothing) as a JSON Patch (RFC 6902) of `add`, `remove` and
 * `replace`, with the value before as `oldValue` of the last two. JSON on one line, too. A body that would lose something
 * on the way, such as a number of 20 digits, is replaced as a whole.
 */
export function patchOf(older: string | null, newer: string | null): string {
  if (older === newer) return '[]';
  if (older === null) return `[{"op":"add","path":"","value":${newer}}]`;
  if (newer === null) return `[{"op":"remove","path":"","oldValue":${older}}]`;
  const [before, after] = [parsed(older), parsed(newer)];
  if (before === undefined || after === undefined) {
    return `[{"op":"replace","path":"","value":${newer},"oldValue":${older}}]`;
  }
  return JSON.stringify(invertible(before.value, createPatch(before.value, after.value, bounded)));
}

/** Undefined: not to be taken apart. */
function parsed(text: string): { value: unknown } | undefined {
  if (ODD_NUMBER.test(text.replaceAll(TEXT, '""'))) return undefined;
  const value: unknown = JSON.parse(text);
  return hasOddKey(value) ? undefined : { value };
}

function hasOddKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, member]) => ODD_KEYS.has(key) || hasOddKey(member));
}

function bounded(input: unknown, output: unknown, at: Pointer): Operation[] | undefined {
  if (!Array.isArray(input) || !Array.isArray(output)) return undefined;
  if (input.length * output.length <= MAX_PAIRS) return undefined;
  return [{ op: 'replace', path: at.toString(), value: output }];
}

/** Each operation with what it takes away, as the operations before it have left that. */
function invertible(before: unknown, patch: readonly Operation[]): Invertible[] {
  let document = structuredClone(before);
  return patch.map((relative): Invertible => {
    const operation = { ...relative, path: placeOf(relative.path, document) };
    const { op, path } = operation;
    const oldValue: unknown = op === 'add' ? undefined : Pointer.fromJSON(path).get(document);
    if (path === '') document = 'value' in operation ? operation.value : undefined;
    else applyPatch(document, [operation]);
    return op === 'add' ? operation : { ...operation, oldValue };
  });
}

/** With the number of the element in place of `-`, which is the end of an array when it is added there, and later none. */
function placeOf(path: string, document: unknown): string {
  if (!path.endsWith('/-')) return path;
  const list = path.slice(0, -2);
  const array: unknown = Pointer.fromJSON(list).get(document);
  return Array.isArray(array) ? `${list}/${array.length}` : path;
}
