/**
 * JSON bodies, stricter than `JSON.parse`: no duplicate keys (two readers could see two different
 * requests), bounded depth, no numbers beyond doubles, no text that UTF-8 cannot carry.
 */
export const MAX_JSON_DEPTH = 32;

/** What is wrong with a body, as the end of a sentence. */
export class JsonBodyError extends Error {}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws JsonBodyError */
export function parseStrictJson(body: Buffer): unknown {
  const text = decodeUtf8(body);
  checkNesting(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new JsonBodyError(`is not JSON: ${(error as SyntaxError).message}`);
  }
  checkScalars(value);
  return value;
}

function decodeUtf8(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new JsonBodyError('is not UTF-8');
  }
}

const TOKEN = /["{}[\],]/g;

/**
 * Depth and duplicate keys, in one pass over the structure and without recursion. What is not JSON at
 * all may pass: `JSON.parse` comes next.
 */
function checkNesting(text: string): void {
  /** The keys seen in each open object; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let keyIsDue = false;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const token = match[0];
    if (token === '"') {
      const end = stringEnd(text, match.index);
      if (keyIsDue) rememberKey(open.at(-1), text.slice(match.index, end));
      keyIsDue = false;
      TOKEN.lastIndex = end;
    } else if (token === '{' || token === '[') {
      if (open.length === MAX_JSON_DEPTH) {
        throw new JsonBodyError(`is nested deeper than ${MAX_JSON_DEPTH}`);
      }
      open.push(token === '{' ? new Set() : undefined);
      keyIsDue = token === '{';
    } else if (token === ',') {
      keyIsDue = open.at(-1) !== undefined;
    } else {
      open.pop();
      keyIsDue = false;
    }
  }
}

/** Position after the closing quote, or the end of the text. */
function stringEnd(text: string, openingQuote: number): number {
  for (let at = openingQuote + 1; at < text.length; at += 1) {
    const char = text[at];
    if (char === '\\') at += 1;
    else if (char === '"') return at + 1;
  }
  return text.length;
}

function rememberKey(keys: Set<string> | undefined, literal: string): void {
  let key: string;
  try {
    key = JSON.parse(literal) as string;
  } catch {
    return;
  }
  if (keys?.has(key)) throw new JsonBodyError(`has the key ${JSON.stringify(key)} twice`);
  keys?.add(key);
}

function checkScalars(value: unknown): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new JsonBodyError('has a number that is too large');
  }
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw new JsonBodyError('has text with half of a surrogate pair');
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    checkScalars(key);
    checkScalars(member);
  }
}
