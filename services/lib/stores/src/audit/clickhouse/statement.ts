/** A statement for ClickHouse, or a part of one, with its values apart from the text. */
export interface Statement {
  readonly texts: readonly string[];
  readonly parts: readonly (Statement | Bound)[];
}

/** A value, and the type that ClickHouse binds it as. */
interface Bound {
  readonly type: string;
  readonly value: string | number | readonly (string | number)[];
}

/** Writes a statement; what it is given is bound, or is a part of a statement itself. */
export function ch(
  texts: TemplateStringsArray,
  ...parts: readonly (Statement | Bound)[]
): Statement {
  return { texts, parts };
}

/** A name of our own: a column or a table. */
export function named(name: string): Statement {
  if (!/^\w+$/.test(name)) throw new Error(`${name} is no name of a column or table`);
  return { texts: [name], parts: [] };
}

/** Parts, with a text between each two. */
export function joined(
  parts: readonly (Statement | Bound)[],
  between: ' and ' | ' or ' | ', ',
): Statement {
  const [, ...others] = parts;
  return parts.length === 0
    ? { texts: [''], parts }
    : { texts: ['', ...others.map(() => between), ''], parts };
}

export function text(value: string): Bound {
  return { type: 'String', value };
}

export function texts(value: readonly string[]): Bound {
  return { type: 'Array(String)', value };
}

export function integer(value: number): Bound {
  return { type: 'Int64', value };
}

export function integers(value: readonly number[]): Bound {
  return { type: 'Array(Int64)', value };
}

/** As the client takes it. */
export function render(statement: Statement): {
  query: string;
  query_params: Record<string, unknown>;
} {
  const values: Bound['value'][] = [];
  const write = (part: Statement | Bound): string => {
    if ('type' in part) {
      values.push(part.value);
      return `{p${values.length - 1}:${part.type}}`;
    }
    return part.texts
      .map((piece, index) => {
        const next = part.parts[index];
        return next === undefined ? piece : piece + write(next);
      })
      .join('');
  };
  const query = write(statement);
  return {
    query,
    query_params: Object.fromEntries(values.map((value, index) => [`p${index}`, value])),
  };
}
