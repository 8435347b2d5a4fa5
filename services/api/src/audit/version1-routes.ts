import type { Clock } from '@trailpush/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { accountOf, AUDIT_READERS, authorize, principalOf, type Principal } from '../auth.ts';
import { ApiError, CODE } from '../envelope.ts';
import { sendItems } from './send-items.ts';
import { Version1Exports } from './version1-exports.ts';
import { CSV_HEADER, csvRowOf, version1ItemOf } from './version1-item.ts';
import type { Version1Log, Version1Search } from './version1-log.ts';
import { readVersion1Query, type Version1Query } from './version1-query.ts';

interface OfAccount {
  Params: { account_id: string };
}

/** How far pages reach: every page is counted through from the first event on. */
const MAX_DEPTH = 100_000;
/** The same where many accounts are counted through. */
const MAX_USER_DEPTH = 10_000;
const MAX_ACCOUNTS = 100;

/** Version 1: `/accounts/:account_id/audit_logs` and `/user/audit_logs`. */
export function registerVersion1Routes(
  app: FastifyInstance,
  log: Version1Log,
  clock: Pick<Clock, 'every' | 'monotonic'>,
): void {
  const exports = new Version1Exports(log, clock);
  const answer = async (reply: FastifyReply, search: Version1Search): Promise<FastifyReply> => {
    if (search.isExport && !search.isPaged) return asCsv(reply).send(await exports.open(search));
    const entries = await log.page(search);
    if (search.isExport) return asCsv(reply).send(CSV_HEADER + entries.map(csvRowOf).join(''));
    const { page, perPage: per_page } = search;
    return sendItems(reply, entries.map(version1ItemOf), { page, per_page, count: entries.length });
  };

  app.get<OfAccount>('/accounts/:account_id/audit_logs', async (request, reply) => {
    const { account_id: accountId } = request.params;
    authorize(request, accountOf(accountId), ...AUDIT_READERS);
    const asked = readVersion1Query(request.url, MAX_DEPTH);
    return answer(reply, { ...asked, accounts: [accountId] });
  });

  app.get('/user/audit_logs', async (request, reply) => {
    const principal = authorizeUser(request);
    const asked = ofUser(readVersion1Query(request.url, MAX_USER_DEPTH), principal);
    const accounts = await accountsOf(principal, log);
    return answer(reply, { ...asked, accounts });
  });
}

/** @throws ApiError 403 for a token that may read no account's log */
function authorizeUser(request: FastifyRequest): Principal {
  const [first] = principalOf(request).accountIds ?? [];
  return authorize(request, first === undefined ? null : accountOf(first), ...AUDIT_READERS);
}

/** What the user of a token did, or the token itself where it has no user. */
function ofUser(asked: Version1Query, { email, tokenId }: Principal): Version1Query {
  const own =
    email === null
      ? { field: 'actor_token_id' as const, values: [tokenId] }
      : { field: 'actor_email' as const, values: [...new Set([email, email.toLowerCase()])] };
  const filters = [...asked.query.filters, { ...own, isNegated: false }];
  return { ...asked, query: { ...asked.query, filters } };
}

async function accountsOf({ accountIds }: Principal, log: Version1Log): Promise<readonly string[]> {
  const accounts = accountIds ?? (await log.accounts(MAX_ACCOUNTS));
  if (accounts !== undefined && accounts.length <= MAX_ACCOUNTS) return accounts;
  const message = `the token is for more than ${MAX_ACCOUNTS} accounts: ask for each with /accounts/{account_id}/audit_logs`;
  throw new ApiError(400, [{ code: CODE.invalid, message }]);
}

function asCsv(reply: FastifyReply): FastifyReply {
  return reply.headers({
    'content-type': 'text/csv; charset=utf-8; header=present',
    'content-disposition': 'attachment; filename="audit_logs.csv"',
  });
}
