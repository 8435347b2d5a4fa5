/**
 * The one parameter of a statement that is run with many rows: of a `copy ... from stdin` in
 * PostgreSQL, and of any statement, once for each row, in SQLite. An adapter of ours understands it.
 */
export class BulkRows {
  readonly rows: readonly (readonly BulkValue[])[];

  constructor(rows: readonly (readonly BulkValue[])[]) {
    this.rows = rows;
  }
}

/** An array is one of numbers. */
export type BulkValue = string | number | null | readonly number[];

/** Rows in the text format of COPY. */
export function copyText({ rows }: BulkRows): string {
  let text = '';
  for (const row of rows) {
    for (let index = 0; index < row.length; index++) {
      if (index > 0) text += '\t';
      text += copyValue(row[index] ?? null);
    }
    text += '\n';
  }
  return text;
}

function copyValue(value: BulkValue): string {
  if (value === null) return '\\N';
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return `{${value.join(',')}}`;
  return SPECIAL.test(value) ? value.replaceAll(/[\\\n\r\t]/g, escaped) : value;
}

const SPECIAL = /[\\\n\r\t]/;

function escaped(character: string): string {
  switch (character) {
    case '\n':
      return '\\n';
    case '\r':
      return '\\r';
    case '\t':
      return '\\t';
    default:
      return '\\\\';
  }
}
