import {
  isAddressRange,
  PERMISSIONS,
  type ApiToken,
  type Clock,
  type EventsOf,
  type Tenant,
  type TokenStore,
} from '@trailpush/core';
import { z } from 'zod';

import {
  auditTellers,
  CONSOLE,
  OPERATOR,
  type AuditSource,
  type AuditTeller,
} from './audit-event.ts';
import { accountOf, organizationOf } from './auth.ts';
import { ApiError, CODE } from './envelope.ts';
import { mintToken } from './tokens.ts';

/** A token as the operator sees it; never the token itself. */
export interface ShownToken {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
  /** Null: all accounts, and all organizations. */
  readonly account_ids: readonly string[] | null;
  readonly organization_ids: readonly string[];
  readonly permissions: readonly string[];
  readonly allowed_addresses: readonly string[];
  readonly not_before: string | null;
  readonly expires_on: string | null;
  readonly created_on: string;
  readonly status: 'active' | 'not yet active' | 'expired' | 'revoked';
}

/** `value` is the token, which is shown this once. */
export type CreatedToken = ShownToken & { readonly value: string };

const MAX_NAME_CHARACTERS = 120;
const MAX_ENTRIES = 1000;

const time = (name: string) =>
  z.iso
    .datetime({ offset: true, error: `${name} must be an RFC 3339 date-time or null` })
    .transform((text) => Date.parse(text))
    .nullable()
    .default(null);

const ids = (name: string, noun: string) =>
  z
    .array(z.string().regex(/^[\w-]{1,64}$/), { error: `${name} must be a list of ${noun}` })
    .max(MAX_ENTRIES);

const orderSchema = z.strictObject(
  {
    name: z
      .string({ error: 'name must be a text' })
      .max(MAX_NAME_CHARACTERS, {
        error: `name must have at most ${MAX_NAME_CHARACTERS} characters`,
      })
      .default(''),
    email: z.email({ error: 'email must be an e-mail address or null' }).nullable().default(null),
    account_ids: ids('account_ids', 'account ids, or null for all accounts and organizations')
      .nullable()
      .default([]),
    organization_ids: ids('organization_ids', 'organization ids').default([]),
    permissions: z
      .array(z.enum(PERMISSIONS, { error: `permissions may name ${PERMISSIONS.join(', ')}` }), {
        error: `permissions must be a list of ${PERMISSIONS.join(', ')}`,
      })
      .min(1, { error: `permissions must name at least one of ${PERMISSIONS.join(', ')}` }),
    allowed_addresses: z
      .array(z.string().refine(isAddressRange), {
        error: 'allowed_addresses must be a list of addresses or ranges, such as 192.0.2.0/24',
      })
      .max(MAX_ENTRIES)
      .default([]),
    not_before: time('not_before'),
    expires_on: time('expires_on'),
  },
  {
    error:
      'the body must be an object of name, email, account_ids, organization_ids, permissions, allowed_addresses, not_before and expires_on',
  },
);

/** Makes, lists and revokes tokens. For the operator alone. */
export class TokenAdmin {
  readonly #tokens: TokenStore;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #tellerOf: (source: AuditSource) => AuditTeller;

  constructor(tokens: TokenStore, clock: Pick<Clock, 'now'>) {
    this.#tokens = tokens;
    this.#clock = clock;
    this.#tellerOf = auditTellers(clock);
  }

  /** @throws ApiError 400 that names the member */
  async create(body: unknown, source: AuditSource = CONSOLE): Promise<CreatedToken> {
    const order = orderSchema.safeParse(body);
    if (!order.success) throw invalidOrder(order.error.issues);
    const { account_ids: accountIds, organization_ids: organizationIds } = order.data;
    checkTenants(accountIds, organizationIds);
    const { permissions, name, email } = order.data;
    const { allowed_addresses: allowedAddresses, not_before: notBeforeMs } = order.data;
    const { token, text } = mintToken({
      ...{ name, email, accountIds, organizationIds, permissions, allowedAddresses, notBeforeMs },
      expiresAtMs: order.data.expires_on,
    });
    const events = this.#eventsOf('create', source);
    const created = await this.#tokens.create(token, events);
    return { ...this.#show(created), value: text.reveal() };
  }

  async list(): Promise<readonly ShownToken[]> {
    return (await this.#tokens.list()).map((token) => this.#show(token));
  }

  /** @throws ApiError 404 */
  async revoke(id: string, source: AuditSource = CONSOLE): Promise<ShownToken> {
    const token = await this.#tokens.revoke(id, this.#eventsOf('delete', source));
    if (token !== undefined) return this.#show(token);
    throw new ApiError(404, [{ code: CODE.notFound, message: 'there is no token with this id' }]);
  }

  /** One event for each tenant, which learns nothing of the others; a token for all is the operator's. */
  #eventsOf(type: 'create' | 'delete', source: AuditSource): EventsOf<ApiToken> {
    const tell = this.#tellerOf(source);
    return (token) => {
      const { accountIds, organizationIds } = token;
      const tenants = accountIds
        ? [...accountIds.map(accountOf), ...organizationIds.map(organizationOf)]
        : [OPERATOR];
      return tenants.map((tenant) =>
        tell({
          tenant,
          type,
          description: type === 'create' ? 'Create API token' : 'Revoke API token',
          statusCode: type === 'create' ? 201 : 200,
          resource: {
            id: token.id,
            product: 'tokens',
            type: 'token',
            response: { ...this.#show(token), ...(accountIds && idsOf(tenant)) },
          },
        }),
      );
    };
  }

  #show(token: ApiToken): ShownToken {
    return {
      id: token.id,
      name: token.name,
      email: token.email,
      account_ids: token.accountIds,
      organization_ids: token.organizationIds,
      permissions: token.permissions,
      allowed_addresses: token.allowedAddresses,
      not_before: rfc3339(token.notBeforeMs),
      expires_on: rfc3339(token.expiresAtMs),
      created_on: new Date(token.createdAtMs).toISOString(),
      status: this.#status(token),
    };
  }

  #status({ revokedAtMs, notBeforeMs, expiresAtMs }: ApiToken): ShownToken['status'] {
    const nowMs = this.#clock.now();
    if (revokedAtMs !== null) return 'revoked';
    if (expiresAtMs !== null && nowMs >= expiresAtMs) return 'expired';
    return notBeforeMs !== null && nowMs < notBeforeMs ? 'not yet active' : 'active';
  }
}

/** @throws ApiError 400 for a token that would open nothing, or say one thing twice */
function checkTenants(accountIds: readonly string[] | null, organizationIds: readonly string[]) {
  const count = organizationIds.length;
  if (accountIds === null ? count === 0 : accountIds.length + count > 0) return;
  const message =
    accountIds === null
      ? 'organization_ids must be left out where account_ids is null, which is for all organizations too'
      : 'account_ids must name an account, or organization_ids an organization; account_ids is null for all';
  throw new ApiError(400, [{ code: CODE.invalid, message }]);
}

function idsOf({ kind, id }: Tenant): Pick<ShownToken, 'account_ids' | 'organization_ids'> {
  const isAccount = kind === 'account';
  return { account_ids: isAccount ? [id] : [], organization_ids: isAccount ? [] : [id] };
}

function rfc3339(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function invalidOrder(issues: readonly z.core.$ZodIssue[]): ApiError {
  const [first] = issues;
  const name = String(first?.path[0] ?? '');
  const known = first?.message.startsWith(name) === true ? first.message : undefined;
  const message = known ?? `${name}: ${first?.message ?? 'is not valid'}`;
  return new ApiError(400, [{ code: CODE.invalid, message }]);
}
