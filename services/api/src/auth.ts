import {
  PERMISSIONS,
  type Clock,
  type Permission,
  type Secret,
  type Tenant,
  type TokenStore,
} from '@trailpush/core';
import type { FastifyRequest } from 'fastify';

import { ApiError, authenticationError, CODE } from './envelope.ts';
import { digest, isHashOf, isUsable, tokenId } from './tokens.ts';

/** Who makes a request, and what they may do. */
export interface Principal {
  /** `admin` for the operator's own token. */
  readonly tokenId: string;
  readonly tokenName: string;
  readonly email: string | null;
  /** How they proved it, in the words of `actor.context`. */
  readonly context: 'api_token' | 'api_key';
  readonly isAdmin: boolean;
  /** See `TokenScope`. */
  readonly accountIds: readonly string[] | null;
  readonly organizationIds: readonly string[];
  readonly permissions: readonly Permission[];
  readonly notBeforeMs: number | null;
  readonly expiresAtMs: number | null;
}

export interface AuthDeps {
  readonly adminToken: Secret;
  readonly tokens: Pick<TokenStore, 'get'>;
  readonly clock: Pick<Clock, 'now'>;
}

/** Longer ones are nobody's, and are not worth hashing. */
const MAX_TOKEN_CHARACTERS = 512;

/** Each of these opens the audit log of an account, as at Cloudflare; the first opens nothing else. */
export const AUDIT_READERS = [
  'Audit Logs Read',
  'Account Settings Read',
  'Account Settings Write',
] as const satisfies readonly Permission[];

const ADMIN: Principal = {
  tokenId: 'admin',
  tokenName: 'admin',
  email: null,
  context: 'api_token',
  isAdmin: true,
  accountIds: null,
  organizationIds: [],
  permissions: PERMISSIONS,
  notBeforeMs: null,
  expiresAtMs: null,
};

const principals = new WeakMap<FastifyRequest, Principal>();

/** Who makes this request. Only for routes behind `requireToken`. */
export function principalOf(request: FastifyRequest): Principal {
  const principal = principals.get(request);
  if (principal === undefined) throw new Error('the route is not behind authentication');
  return principal;
}

/**
 * A hook that lets in who has a token: `Authorization: Bearer <token>`, or the legacy `X-Auth-Email` with
 * `X-Auth-Key`, whose key is a token that was made for this e-mail. Whatever is wrong with it, the answer is
 * the same. @throws ApiError 401; 400 for both kinds at once; StoreUnavailableError
 */
export function requireToken(deps: AuthDeps): (request: FastifyRequest) => Promise<void> {
  const adminHash = digest(deps.adminToken.reveal());
  return async (request) => {
    const credentials = readCredentials(request);
    if (credentials === undefined) throw authenticationError();
    const isAdmin = isHashOf(credentials.token, adminHash) && credentials.email === undefined;
    const principal = isAdmin ? ADMIN : await findPrincipal(deps, credentials, request.ip);
    if (principal === undefined) throw authenticationError();
    principals.set(request, principal);
  };
}

/**
 * Lets a request go on if its token has one of these permissions for this tenant, and says who it is.
 * Call it before looking anything up, so that the answer does not tell what exists. Null: for all.
 * @throws ApiError 403 that names the permission
 */
export function authorize(
  request: FastifyRequest,
  tenant: Tenant | null,
  ...anyOf: readonly [Permission, ...Permission[]]
): Principal {
  const principal = principalOf(request);
  if (anyOf.some((permission) => isAllowed(principal, tenant, permission))) return principal;
  throw new ApiError(403, [
    { code: CODE.authentication, message: `Authentication error: ${lacking(tenant, anyOf)}` },
  ]);
}

export function isAllowed(
  { accountIds, organizationIds, permissions }: Principal,
  tenant: Tenant | null,
  permission: Permission,
): boolean {
  if (!permissions.includes(permission)) return false;
  if (accountIds === null || tenant === null) return accountIds === null;
  return (tenant.kind === 'account' ? accountIds : organizationIds).includes(tenant.id);
}

export function accountOf(id: string): Tenant {
  return { kind: 'account', id };
}

export function organizationOf(id: string): Tenant {
  return { kind: 'organization', id };
}

/** What a refused token would have to have. */
export function lacking(tenant: Tenant | null, anyOf: readonly Permission[]): string {
  const names = anyOf.map((name) => JSON.stringify(name)).join(' or ');
  const where = tenant === null ? 'all accounts' : `${tenant.kind} ${tenant.id.slice(0, 64)}`;
  return `the token lacks the permission ${names} for ${where}`;
}

interface Credentials {
  readonly token: string;
  readonly email: string | undefined;
}

async function findPrincipal(
  { tokens, clock }: AuthDeps,
  { token: text, email }: Credentials,
  address: string,
): Promise<Principal | undefined> {
  const id = tokenId(text);
  if (id === undefined) return undefined;
  const token = await tokens.get(id);
  if (token === undefined || !isHashOf(text, token.hash)) return undefined;
  if (!isUsable(token, clock.now(), address)) return undefined;
  if (email !== undefined && email.toLowerCase() !== token.email?.toLowerCase()) return undefined;
  return {
    tokenId: token.id,
    tokenName: token.name,
    email: token.email,
    context: email === undefined ? 'api_token' : 'api_key',
    isAdmin: false,
    accountIds: token.accountIds,
    organizationIds: token.organizationIds,
    permissions: token.permissions,
    notBeforeMs: token.notBeforeMs,
    expiresAtMs: token.expiresAtMs,
  };
}

function readCredentials(request: FastifyRequest): Credentials | undefined {
  // Node keeps only the first of several Authorization headers; a proxy may have judged another one.
  const given = new Map<string, number>();
  const { rawHeaders } = request.raw;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    given.set(name, (given.get(name) ?? 0) + 1);
  }
  const names = ['authorization', 'x-auth-email', 'x-auth-key'].filter((name) => given.has(name));
  if (names.some((name) => given.get(name) !== 1)) return undefined;
  if (names.length > 1 && names[0] === 'authorization') throw twoKinds();
  const { authorization, 'x-auth-email': email, 'x-auth-key': key } = request.headers;
  if (authorization !== undefined) {
    return checked(/^Bearer +(\S+)$/i.exec(authorization)?.[1], undefined);
  }
  return typeof email === 'string' && typeof key === 'string' ? checked(key, email) : undefined;
}

function checked(token: string | undefined, email: string | undefined): Credentials | undefined {
  if (token === undefined || token.length > MAX_TOKEN_CHARACTERS) return undefined;
  return { token, email };
}

function twoKinds(): ApiError {
  const message =
    'two kinds of credentials were sent: send either Authorization or X-Auth-Email with X-Auth-Key';
  return new ApiError(400, [{ code: CODE.invalid, message }]);
}
