import { Readable } from 'node:stream';

import type { AuditEntry } from '@trailpush/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { AUDIT_READERS, authorize, principalOf, type Principal } from '../auth.ts';
import { ApiError, CODE } from '../envelope.ts';
import { sendItems } from './send-items.ts';
import { csvLineOf, CSV_HEADER, version1ItemOf } from './version1-item.ts';
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
/** Exports at a time: each holds some MiB for as long as its client takes. */
const MAX_EXPORTS = 16;

/** Version 1: `/accounts/:account_id/audit_logs` and `/user/audit_logs`. */
export function registerVersion1Routes(app: FastifyInstance, log: Version1Log): void {
  const exports = new Exports(log);
  const answer = async (reply: FastifyReply, search: Version1Search): Promise<FastifyReply> => {
    if (search.isExport && !search.isPaged) return exports.send(reply, search);
    const entries = await log.page(search);
    if (search.isExport) return asCsv(reply).send(CSV_HEADER + entries.map(csvLineOf).join(''));
    const { page, perPage: per_page } = search;
    return sendItems(reply, entries.map(version1ItemOf), { page, per_page, count: entries.length });
  };

  app.get<OfAccount>('/accounts/:account_id/audit_logs', async (request, reply) => {
    const { account_id: accountId } = request.params;
    authorize(request, accountId, ...AUDIT_READERS);
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
  const { accountIds } = principalOf(request);
  return authorize(request, accountIds?.[0] ?? null, ...AUDIT_READERS);
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

/** Downloads of everything that a query finds. */
class Exports {
  readonly #log: Version1Log;
  #running = 0;

  constructor(log: Version1Log) {
    this.#log = log;
  }

  /** Finds the first part before it answers. @throws ApiError 429; StoreUnavailableError */
  async send(reply: FastifyReply, search: Version1Search): Promise<FastifyReply> {
    if (this.#running >= MAX_EXPORTS) {
      const message = `${MAX_EXPORTS} exports of audit logs are running: try again when one has ended`;
      throw new ApiError(429, [{ code: CODE.unavailable, message }]);
    }
    this.#running += 1;
    const parts = this.#log.all(search);
    const first = await parts.next().catch((error: unknown) => {
      this.#running -= 1;
      throw error;
    });
    const text = Readable.from(textOf(first.value ?? [], parts), { objectMode: false });
    text.once('close', () => {
      this.#running -= 1;
    });
    return asCsv(reply).send(text);
  }
}

async function* textOf(
  first: readonly AuditEntry[],
  parts: AsyncIterable<readonly AuditEntry[]>,
): AsyncGenerator<string, void, void> {
  yield CSV_HEADER + first.map(csvLineOf).join('');
  for await (const entries of parts) {
    if (entries.length > 0) yield entries.map(csvLineOf).join('');
  }
}

function asCsv(reply: FastifyReply): FastifyReply {
  return reply.headers({
    'content-type': 'text/csv; charset=utf-8; header=present',
    'content-disposition': 'attachment; filename="audit_logs.csv"',
  });
}
