/** The one parameter of a statement that SQLite runs once for each row. An adapter of ours understands it. */
export class BulkRows {
  readonly rows: readonly (readonly BulkValue[])[];

  constructor(rows: readonly (readonly BulkValue[])[]) {
    this.rows = rows;
  }
}

/** As `copyLine` makes it; bytes are UTF-8. */
export type CopyLine = string | Buffer;

/** The one parameter of a `copy ... from stdin` in PostgreSQL. An adapter of ours understands it. */
export class BulkLines {
  readonly bytes: Buffer;
  readonly rows: number;

  constructor(lines: readonly CopyLine[]) {
    this.bytes = Buffer.concat(
      lines.map((line) => (typeof line === 'string' ? Buffer.from(line) : line)),
    );
    this.rows = lines.length;
  }
}

/** An array is one of numbers. */
export type BulkValue = string | number | null | readonly number[];

/** A row in the text format of COPY. */
export function copyLine(row: readonly BulkValue[]): string {
  let text = '';
  for (let index = 0; index < row.length; index++) {
    if (index > 0) text += '\t';
    text += copyValue(row[index] ?? null);
  }
  return `${text}\n`;
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
