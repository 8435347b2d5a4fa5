import type { AuditEntry, Tenant } from './audit.ts';
import type { Outbox } from './outbox.ts';

/** Why a tenant's events must not be removed, whatever their age. */
export interface LegalHold {
  readonly reason: string;
  /** Who has set it. */
  readonly by: string;
  readonly sinceMs: number;
}

/** What a tenant has of its own. Both null: nothing, the installation's default holds. */
export interface RetentionRule {
  readonly tenant: Tenant;
  /** Whole months (UTC) after the one that an event is of; 0 keeps it for ever. */
  readonly months: number | null;
  readonly hold: LegalHold | null;
}

/** One of the two is changed, the other one stays. */
export type RetentionChange = Pick<RetentionRule, 'months'> | Pick<RetentionRule, 'hold'>;

/** Events of one tenant and month that retention has removed. */
export interface AuditDrop {
  readonly tenant: Tenant;
  readonly events: number;
  /** Times of the oldest and of the newest of them. */
  readonly firstMicros: number;
  readonly lastMicros: number;
  /** The rule that removed them. */
  readonly months: number;
  readonly isDefault: boolean;
}

/** What holds for tenants without a rule of their own, and when "now" is. */
export interface RetentionPolicy {
  readonly nowMs: number;
  /** As `RetentionRule.months`. */
  readonly defaultMonths: number;
}

/** How an event about a drop reads: one line in the shape of the audit API's item, with an id of its own. */
export type DescribeDrop = (drop: AuditDrop) => string;

/** How an event about a changed rule reads. */
export type DescribeRule = (before: RetentionRule, after: RetentionRule) => string;

/**
 * How long the audit store keeps events. All implementations answer to one contract suite
 * (`test/kit/contracts/audit-retention.ts`). Every method rejects with StoreUnavailableError when the database
 * is away; repeating a call is safe.
 */
export interface AuditRetention {
  /** Events about drops and changed rules, stored with what they tell of. */
  readonly outbox: Outbox;
  rule(tenant: Tenant): Promise<RetentionRule>;
  /** The tenants that have a rule of their own or a hold. */
  listRules(): Promise<readonly RetentionRule[]>;
  /** From its end on, nothing is removed that the changed rule keeps. @throws OutboxFullError */
  changeRule(
    tenant: Tenant,
    change: RetentionChange,
    describe: DescribeRule,
  ): Promise<RetentionRule>;
  /** Which of these entries would be removed at once, so that they need not be stored. */
  findExpired(
    entries: readonly AuditEntry[],
    policy: RetentionPolicy,
  ): Promise<ReadonlySet<AuditEntry>>;
  /** True when `owner` may enforce retention until `forMs` from now; nobody else may then. */
  lease(owner: string, forMs: number): Promise<boolean>;
  /**
   * Removes what has expired: a month at once when nobody needs it any more, else a tenant's part of it,
   * oldest first, in small steps. Yields after each step: a drop that is complete and whose event is in the
   * outbox, or undefined in between. Whoever ends early goes on at the next call.
   * @throws OutboxFullError before anything is removed that could not be told
   */
  enforce(
    policy: RetentionPolicy,
    describe: DescribeDrop,
  ): AsyncGenerator<AuditDrop | undefined, void, void>;
  /**
   * Stores events that come from elsewhere than the log, each once by its id, and keeps what the tenants
   * have in those months until then.
   */
  restore(
    entries: readonly AuditEntry[],
    keepUntilMs: number,
  ): Promise<{ readonly stored: number }>;
}

/** Whether a rule lets go of a month (since January 1970) when `nowMonth` is the current one. */
export function isMonthExpired(
  month: number,
  nowMonth: number,
  rule: RetentionRule | undefined,
  defaultMonths: number,
): boolean {
  if (rule?.hold) return false;
  const months = rule?.months ?? defaultMonths;
  return months > 0 && month < nowMonth - months;
}
