import { isIPv4, isIPv6 } from 'node:net';

import {
  isAddressRange,
  type AuditField,
  type AuditFilter,
  type AuditQuery,
} from '@trailpush/core';

import { invalidParameter, Parameters } from './parameters.ts';
import { readOpenWindow } from './time.ts';

/** What is asked of version 1; whose log it is comes from elsewhere. */
export interface Version1Query {
  readonly query: Omit<AuditQuery, 'tenant' | 'limit' | 'after'>;
  /** From 1. */
  readonly page: number;
  readonly perPage: number;
  readonly isExport: boolean;
  /** An export without a page is of everything. */
  readonly isPaged: boolean;
}

const FILTERS: readonly (readonly [name: string, field: AuditField])[] = [
  ['action.type', 'action_type'],
  ['actor.email', 'actor_email'],
  ['id', 'id'],
  ['zone.name', 'zone_name'],
];
const KNOWN: ReadonlySet<string> = new Set([
  ...FILTERS.map(([name]) => name),
  ...['actor.ip', 'before', 'direction', 'export', 'hide_user_logs', 'page', 'per_page', 'since'],
]);

const PER_PAGE = { min: 1, max: 1000, otherwise: 100 };
const MAX_PAGE = 999_999_999;
/** Until the year 2255. */

/** @param maxDepth how many events may be counted through to a page @throws ApiError */
export function readVersion1Query(url: string, maxDepth: number): Version1Query {
  const parameters = new Parameters(url, KNOWN);
  const perPage = parameters.wholeNumber('per_page', PER_PAGE);
  const page = parameters.wholeNumber('page', { min: 1, max: MAX_PAGE, otherwise: 1 });
  if (page * perPage > maxDepth) {
    throw invalidParameter(
      'page',
      `asks for more than the first ${maxDepth} events: narrow since and before, or use /logs/audit and its cursor`,
    );
  }
  const address = parameters.one('actor.ip') ?? '';
  if (address !== '' && !isAddressRange(address)) {
    throw invalidParameter('actor.ip', 'must be an address or a range such as 192.0.2.0/24');
  }
  return {
    query: {
      ...readOpenWindow(parameters),
      direction: parameters.word('direction', ['desc', 'asc'], 'desc'),
      filters: [...readFilters(parameters), ...sameAddress(address)],
      ...(isRange(address) ? { addressRange: address } : {}),
    },
    page,
    perPage,
    isExport: isTrue(parameters, 'export'),
    isPaged: parameters.one('page') !== undefined || parameters.one('per_page') !== undefined,
  };
}

/** An empty value is no filter. */
function readFilters(parameters: Parameters): AuditFilter[] {
  const filters: AuditFilter[] = FILTERS.flatMap(([name, field]) => {
    const value = parameters.one(name) ?? '';
    return value === '' ? [] : [{ field, values: [value], isNegated: false }];
  });
  if (!isTrue(parameters, 'hide_user_logs')) return filters;
  return [...filters, { field: 'resource_scope', values: ['user'], isNegated: true }];
}

function isTrue(parameters: Parameters, name: string): boolean {
  return parameters.word(name, ['true', 'false'], 'false') === 'true';
}

/** An IPv4 address has one spelling, and one in the form of IPv6, so that the index finds it. */
function sameAddress(address: string): AuditFilter[] {
  if (!isIPv4(address)) return [];
  const values = [address, `::ffff:${address}`];
  return [{ field: 'actor_ip_address', values, isNegated: false }];
}

/** One of IPv6 has many. */
function isRange(address: string): boolean {
  return address.includes('/') || isIPv6(address);
}
