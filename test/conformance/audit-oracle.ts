import cases from '../cases/audit-api.json' with { type: 'json' };

export type Item = { readonly id: string } & Readonly<Record<string, unknown>>;

interface Category {
  readonly value: string;
  readonly products: readonly { readonly value: string }[];
}

const DEFAULT_LIMIT = 100;

/** Which items a query must give, in order, as the cases describe its parameters. */
export function oracleIds(
  items: readonly Item[],
  query: string,
  categories: readonly Category[],
): string[] {
  const given = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query)) {
    given.set(name, [...(given.get(name) ?? []), value]);
  }
  const one = (name: string) => given.get(name)?.[0];
  const [since, before] = [micros(one('since')!), micros(one('before')!)];
  const products = (given.get('product_category') ?? []).flatMap((name) =>
    categories
      .filter(({ value }) => value.toLowerCase() === name.toLowerCase())
      .flatMap((category) => category.products.map(({ value }) => value)),
  );
  const wanted = new Map(given);
  wanted.delete('product_category');
  if (products.length > 0) {
    wanted.set('resource_product', [...(given.get('resource_product') ?? []), ...products]);
  }
  const filters = cases.parameters.filter(
    ({ name, effect }) => /^(include|exclude)$/.test(String(effect)) && wanted.has(name),
  );
  if (products.length > 0 && !filters.some(({ name }) => name === 'resource_product')) {
    filters.push(cases.parameters.find(({ name }) => name === 'resource_product')!);
  }
  const found = items.filter((item) => {
    const time = micros(text(at(item, 'action.time')));
    if (time < since || time >= before) return false;
    return filters.every(({ name, effect, item_path }) => {
      const value = text(at(item, item_path!));
      return wanted.get(name)!.includes(value) === (effect === 'include');
    });
  });
  // Items come newest first.
  const ordered = one('direction') === 'asc' ? found.toReversed() : found;
  return ordered.slice(0, Number(one('limit') ?? DEFAULT_LIMIT)).map(({ id }) => id);
}

/** What is absent is the same as what is empty. */
function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function at(item: Item, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], item);
}

/** Dates are in UTC; fractions have at most six digits. */
function micros(time: string): number {
  const fraction = /\.(\d+)/.exec(time)?.[1]?.padEnd(6, '0') ?? '000000';
  return Date.parse(time.replace(/\.\d+/, '')) * 1000 + Number(fraction);
}
