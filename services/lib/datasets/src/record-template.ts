import type { FieldSpec, InvalidJobError, LinePart } from '@trailpush/core';
import { refuseOption } from './option-members.ts';

/** So often a template may show one field, as each time may take as many bytes as a whole record. */
const MAX_COPIES = 4;

/** A comment, a field, a constant in quotes, or one in back quotes. */
const ACTION =
  /\{\{(?:\/\*[\s\S]*?\*\/|\s*(?:\.([A-Za-z_]\w*)|("(?:[^"\\\n]|\\.)*")|`([^`]*)`)\s*)\}\}/y;

const ACTIONS = 'only {{.Field}}, {{"text"}}, {{`text`}} and {{/* comment */}} are known';

/**
 * Logpush's record_template: text with actions as in Go's text/template, of which it knows fields,
 * constants and comments. Nothing is ever evaluated. A field that field_names leaves out is `null`.
 * Constants in quotes have the escapes of JSON. @throws InvalidJobError
 */
export function parseRecordTemplate(
  template: string,
  { fields, fieldNames }: { fields: readonly FieldSpec[]; fieldNames: readonly string[] },
): readonly LinePart[] {
  const known = new Set(fields.map(({ name }) => name));
  const wanted = new Set(fieldNames);
  const copies = new Map<string, number>();
  const parts: LinePart[] = [];
  for (let at = 0; at < template.length;) {
    const open = template.indexOf('{{', at);
    parts.push({ text: template.slice(at, open < 0 ? undefined : open) });
    if (open < 0) break;
    ACTION.lastIndex = open;
    const action = ACTION.exec(template);
    if (!action) throw refuseAction(template, open);
    at = ACTION.lastIndex;
    const [, field, quoted, plain] = action;
    if (field === undefined) {
      parts.push({ text: plain ?? unquoted(quoted ?? '""', open) });
      continue;
    }
    if (!known.has(field)) throw refuse(open, `the dataset has no field ${JSON.stringify(field)}`);
    const count = (copies.get(field) ?? 0) + 1;
    if (count > MAX_COPIES) throw refuse(open, `it shows ${field} more than ${MAX_COPIES} times`);
    copies.set(field, count);
    parts.push(wanted.has(field) ? { field } : { text: 'null' });
  }
  return parts;
}

function refuse(at: number, message: string): InvalidJobError {
  return refuseOption('record_template', `at character ${at}: ${message}`);
}

function refuseAction(template: string, at: number): InvalidJobError {
  const isClosed = template.includes('}}', at);
  return refuse(at, isClosed ? ACTIONS : 'the {{ is not closed by }}');
}

function unquoted(quoted: string, at: number): string {
  try {
    const text = JSON.parse(quoted) as string;
    if (text.isWellFormed()) return text;
  } catch {
    // Said below.
  }
  throw refuse(at, 'the constant has an escape that JSON does not know');
}
