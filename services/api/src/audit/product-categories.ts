import { ConfigError } from '@trailpush/core';
import { z } from 'zod';

const labelled = { label: z.string().min(1), value: z.string().min(1) };
const schema = z.array(
  z.strictObject({ ...labelled, products: z.array(z.strictObject(labelled)).min(1) }),
);

/** A named set of products, as the API shows it. */
export type ProductCategory = z.infer<typeof schema>[number];

/** What `product_category` stands for. Names are compared without regard to case. */
export class ProductCategories {
  readonly list: readonly ProductCategory[];
  readonly #products: ReadonlyMap<string, readonly string[]>;

  constructor(list: readonly ProductCategory[]) {
    this.list = list;
    this.#products = new Map(
      list.map(({ value, products }) => [value.toLowerCase(), products.map((of) => of.value)]),
    );
  }

  get names(): readonly string[] {
    return this.list.map(({ value }) => value);
  }

  productsOf(name: string): readonly string[] | undefined {
    return this.#products.get(name.toLowerCase());
  }
}

/** @throws ConfigError; `place` says where the text is from. */
export function parseProductCategories(text: string, place: string): ProductCategories {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new ConfigError(`${place} is not JSON: it must hold a list of product categories`);
  }
  const { data, error } = schema.safeParse(parsed);
  if (data !== undefined) return new ProductCategories(data);
  const [issue] = error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new ConfigError(
    `${place}: ${where === '' ? 'the list' : where} is not as expected (${issue?.message ?? ''}); ` +
      'each category has label, value and products, which have label and value',
  );
}

function category(label: string, value: string, products: Record<string, string>): ProductCategory {
  return {
    label,
    value,
    products: Object.entries(products).map(([of, name]) => ({ label: name, value: of })),
  };
}

/** For installations that do not say what theirs are. */
export const DEFAULT_PRODUCT_CATEGORIES = new ProductCategories([
  category('Core', 'core', {
    accounts: 'Accounts',
    certificates: 'Certificates',
    dns: 'DNS',
    members: 'Members',
    rulesets: 'Rulesets',
    zones: 'Zones',
  }),
  category('Developer Platform', 'developer_platform', {
    d1: 'D1',
    kv: 'KV',
    pages: 'Pages',
    queues: 'Queues',
    r2: 'R2',
    stream: 'Stream',
    workers: 'Workers',
  }),
  category('Zero Trust', 'zerotrust', {
    access: 'Access',
    devices: 'Devices',
    dlp: 'Data Loss Prevention',
    gateway: 'Gateway',
    tunnels: 'Tunnels',
  }),
]);
