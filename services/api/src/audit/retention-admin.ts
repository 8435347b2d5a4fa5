import type {
  AuditRetention,
  Clock,
  DescribeRule,
  RetentionChange,
  RetentionRule,
  Tenant,
} from '@trailpush/core';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';

import { auditTellers, sourceOf } from '../audit-event.ts';
import { principalOf } from '../auth.ts';
import { ApiError, CODE } from '../envelope.ts';

/** What holds for one tenant; null where it has nothing of its own. */
export interface ShownRule {
  readonly account_id?: string;
  readonly organization_id?: string;
  readonly retention_months: number | null;
  readonly hold: { readonly reason: string; readonly by: string; readonly since: string } | null;
}

export interface ShownRetention {
  readonly default_months: number;
  readonly rules: readonly ShownRule[];
}

export interface RetentionAdminDeps {
  readonly retention: Pick<AuditRetention, 'rule' | 'listRules' | 'changeRule'>;
  readonly retentionMonths: number;
  readonly clock: Pick<Clock, 'now'>;
}

const MAX_MONTHS = 1200;
const MAX_TEXT_CHARACTERS = 1000;

const id = (name: string) =>
  z
    .string()
    .regex(/^[\w-]{1,128}$/, { error: `${name} must be an id` })
    .optional();
const text = (name: string) =>
  z
    .string({ error: `${name} must be a text` })
    .trim()
    .min(1, { error: `${name} must not be empty` })
    .max(MAX_TEXT_CHARACTERS, {
      error: `${name} must have at most ${MAX_TEXT_CHARACTERS} characters`,
    });

const ids = { account_id: id('account_id'), organization_id: id('organization_id') };
const months = `retention_months must be a whole number up to ${MAX_MONTHS}, 0 for ever, or null for the default`;
const retentionSchema = z.strictObject(
  {
    ...ids,
    retention_months: z
      .int({ error: months })
      .min(0, { error: months })
      .max(MAX_MONTHS, { error: months })
      .nullable(),
  },
  { error: 'the body must be an object of account_id or organization_id, and retention_months' },
);
const holdSchema = z.strictObject(
  {
    ...ids,
    held: z.boolean({ error: 'held must be true or false' }),
    reason: text('reason'),
    by: text('by').optional(),
  },
  { error: 'the body must be an object of account_id or organization_id, held, reason and by' },
);

/** Shows and changes how long audit logs are kept. For the operator alone. */
export class RetentionAdmin {
  readonly #deps: RetentionAdminDeps;
  readonly #tellerOf: ReturnType<typeof auditTellers>;

  constructor(deps: RetentionAdminDeps) {
    this.#deps = deps;
    this.#tellerOf = auditTellers(deps.clock);
  }

  async list(): Promise<ShownRetention> {
    const { retention, retentionMonths } = this.#deps;
    const rules = await retention.listRules();
    return { default_months: retentionMonths, rules: rules.map(show) };
  }

  /** @throws ApiError 400 that names the member */
  async setMonths(request: FastifyRequest): Promise<ShownRule> {
    const order = parse(retentionSchema, request.body);
    const change = { months: order.retention_months };
    return this.#change(request, order, change, ['Set audit log retention', 'retention']);
  }

  /** @throws ApiError 400 that names the member */
  async setHold(request: FastifyRequest): Promise<ShownRule> {
    const order = parse(holdSchema, request.body);
    const by = order.by ?? principalOf(request).tokenName;
    const hold = { reason: order.reason, by, sinceMs: this.#deps.clock.now() };
    const description = order.held ? 'Set legal hold' : 'Release legal hold';
    const change = { hold: order.held ? hold : null };
    return this.#change(request, order, change, [description, 'legal_hold']);
  }

  async #change(
    request: FastifyRequest,
    order: Ids,
    change: RetentionChange,
    [description, type]: readonly [string, string],
  ): Promise<ShownRule> {
    const tenant = tenantOf(order);
    const tell = this.#tellerOf(sourceOf(request));
    const facts = { tenant, type: 'update', description, statusCode: 200 } as const;
    const describe: DescribeRule = (ruleBefore, ruleAfter) => {
      const [before, after] = [show(ruleBefore), show(ruleAfter)];
      const bodies = { request: request.body as object, response: after, value: before };
      const resource = { product: 'audit_logs', type, ...bodies };
      return tell({ ...facts, resource, change: { before, after } });
    };
    return show(await this.#deps.retention.changeRule(tenant, change, describe));
  }
}

interface Ids {
  readonly account_id?: string | undefined;
  readonly organization_id?: string | undefined;
}

function tenantOf({ account_id: accountId, organization_id: organizationId }: Ids): Tenant {
  if (accountId !== undefined && organizationId === undefined)
    return { kind: 'account', id: accountId };
  if (organizationId !== undefined && accountId === undefined) {
    return { kind: 'organization', id: organizationId };
  }
  throw invalid('either account_id or organization_id is required');
}

function show({ tenant, months: retentionMonths, hold }: RetentionRule): ShownRule {
  return {
    ...(tenant.kind === 'account' ? { account_id: tenant.id } : { organization_id: tenant.id }),
    retention_months: retentionMonths,
    hold: hold && { reason: hold.reason, by: hold.by, since: new Date(hold.sinceMs).toISOString() },
  };
}

function parse<Order>(schema: z.ZodType<Order>, body: unknown): Order {
  const order = schema.safeParse(body);
  if (order.success) return order.data;
  const [first] = order.error.issues;
  throw invalid(first?.message ?? 'the body is not valid');
}

function invalid(message: string): ApiError {
  return new ApiError(400, [{ code: CODE.invalid, message }]);
}
