import type { AuditField, AuditFilter } from '@trailpush/core';

import { invalidParameter, type Parameters } from './parameters.ts';
import type { ProductCategories } from './product-categories.ts';

/** Which filters an endpoint has, and what their values may be; null: anything. */
type FilterTable = Readonly<
  Record<string, { readonly field: AuditField; readonly words: readonly string[] | null }>
>;

function anything(field: AuditField) {
  return { field, words: null };
}

/** Of both endpoints. */
const COMMON: FilterTable = {
  action_result: { field: 'action_result', words: ['success', 'failure'] },
  action_type: { field: 'action_type', words: ['create', 'delete', 'view', 'update'] },
  actor_context: {
    field: 'actor_context',
    words: ['api', 'api_key', 'api_token', 'dash', 'oauth', 'origin_ca_key'],
  },
  actor_email: anything('actor_email'),
  actor_id: anything('actor_id'),
  actor_ip_address: anything('actor_ip_address'),
  actor_token_id: anything('actor_token_id'),
  actor_token_name: anything('actor_token_name'),
  id: anything('id'),
  raw_cf_ray_id: anything('raw_cf_ray_id'),
  raw_method: anything('raw_method'),
  raw_status_code: anything('raw_status_code'),
  raw_uri: anything('raw_uri'),
  resource_id: anything('resource_id'),
  resource_product: anything('resource_product'),
  resource_type: anything('resource_type'),
};

const ACCOUNT: FilterTable = {
  ...COMMON,
  account_name: anything('account_name'),
  actor_type: {
    field: 'actor_type',
    words: ['account', 'cloudflare_admin', 'delegated_service', 'system', 'user'],
  },
  audit_log_id: anything('id'),
  resource_scope: {
    field: 'resource_scope',
    words: ['accounts', 'user', 'zones', 'memberships'],
  },
  zone_id: anything('zone_id'),
  zone_name: anything('zone_name'),
};

const ORGANIZATION: FilterTable = {
  ...COMMON,
  actor_type: { field: 'actor_type', words: ['cloudflare_admin', 'system', 'user'] },
  resource_scope: { field: 'resource_scope', words: ['organizations'] },
};

const TABLES = { account: ACCOUNT, organization: ORGANIZATION };
export type Endpoint = keyof typeof TABLES;

/** The names of all filters of an endpoint. */
export function filterNames(of: Endpoint): string[] {
  const names = Object.keys(TABLES[of]).flatMap((name) => [name, `${name}.not`]);
  return of === 'account' ? [...names, 'product_category'] : names;
}

/** All filters of a request: one of several values of a name, and every name. @throws ApiError */
export function readFilters(
  parameters: Parameters,
  of: Endpoint,
  categories: ProductCategories,
): AuditFilter[] {
  const filters: AuditFilter[] = [];
  for (const [name, { field, words }] of Object.entries(TABLES[of])) {
    for (const isNegated of [false, true]) {
      const shown = isNegated ? `${name}.not` : name;
      const values = parameters.all(shown).flatMap((text) => {
        checkWord(shown, text, words);
        return valuesOf(shown, field, text);
      });
      if (values.length > 0) filters.push({ field, values: [...new Set(values)], isNegated });
    }
  }
  const products = parameters.all('product_category').flatMap((name) => {
    const found = categories.productsOf(name);
    if (found !== undefined) return found;
    throw invalidParameter(
      'product_category',
      `has no value '${name.slice(0, 64)}': it is one of ${categories.names.join(', ')}`,
    );
  });
  return products.length === 0 ? filters : withProducts(filters, products);
}

/** The products of categories and those that were named are one list. */
function withProducts(filters: readonly AuditFilter[], products: readonly string[]): AuditFilter[] {
  const isNamed = ({ field, isNegated }: AuditFilter) => field === 'resource_product' && !isNegated;
  const named = filters.find(isNamed)?.values ?? [];
  const values = [...new Set([...named, ...products])];
  const others = filters.filter((filter) => !isNamed(filter));
  return [...others, { field: 'resource_product', values, isNegated: false }];
}

function checkWord(name: string, text: string, words: readonly string[] | null): void {
  // An empty value asks for what is not set.
  if (words === null || text === '' || words.includes(text)) return;
  throw invalidParameter(name, `must be one of ${words.join(', ')}`);
}

function valuesOf(name: string, field: AuditField, text: string): (string | number)[] {
  if (field === 'raw_status_code') {
    if (/^\d{1,9}$/.test(text)) return [Number(text)];
    throw invalidParameter(name, 'must be a whole number, such as 200');
  }
  // People copy Ray IDs with the data centre that is shown behind them.
  const ray = field === 'raw_cf_ray_id' ? /^([0-9a-f]{16})-[A-Z]{3}$/.exec(text)?.[1] : undefined;
  return ray === undefined ? [text] : [text, ray];
}
