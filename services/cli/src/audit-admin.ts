import { userInfo } from 'node:os';
import { InvalidArgumentError, type Command } from 'commander';
import type { ShownRetention, ShownRule } from '@trailpush/api';
import { loadConfig } from '@trailpush/runtime';
import { ApiClient } from './api-client.ts';
import { addAuditDownload } from './audit-download.ts';

interface Common {
  readonly url?: string;
  readonly data?: string;
  readonly organization?: true;
}

type HoldOptions = Common & { readonly reason: string; readonly by: string };

/** `trailpush audit retention | hold | download`, through the API of a running program. */
export function addAuditCommands(program: Command): void {
  const audit = program
    .command('audit')
    .description('audit logs: how long they are kept, and downloads');
  addAuditDownload(audit);
  const common = (command: Command) =>
    command
      .option('--url <url>', 'where the API is (default: the program of the data folder)')
      .option('--data <folder>', 'data folder (TRAILPUSH_DATA, default ./data)');
  const ofOne = (command: Command) =>
    common(command)
      .argument('<account>', 'id of the account')
      .option('--organization', 'it is the id of an organization');
  const retention = audit.command('retention').description('months, by account');
  common(retention.command('show'))
    .description('the default, and accounts that have a retention of their own or a legal hold')
    .action(showRetention);
  ofOne(retention.command('set'))
    .description('keep the events of an account longer or shorter than others')
    .argument(
      '<months>',
      'whole months after the one of an event, "forever" or "default"',
      monthsOf,
    )
    .action(async (id: string, months: number | null, options: Common) => {
      await change('/admin/v1/audit/retention', { retention_months: months }, id, options);
    });
  const hold = audit.command('hold').description('legal holds: nothing of the account is removed');
  for (const [name, held] of [
    ['set', true],
    ['release', false],
  ] as const) {
    ofOne(hold.command(name))
      .description(held ? 'from now on' : 'what has expired is removed within the hour')
      .requiredOption('--reason <text>', 'why, for the audit log')
      .option('--by <text>', 'who wants it', userInfo().username)
      .action(async (id: string, options: HoldOptions) => {
        const { reason, by } = options;
        await change('/admin/v1/audit/hold', { held, reason, by }, id, options);
      });
  }
}

async function showRetention(options: Common): Promise<void> {
  const { result } = await (await client(options)).call('GET', '/admin/v1/audit/retention');
  const { default_months: months, rules } = result as ShownRetention;
  process.stdout.write(`default  ${monthsText(months)}\n`);
  for (const rule of rules) process.stdout.write(`${lineOf(rule)}\n`);
}

async function change(path: string, body: object, id: string, options: Common): Promise<void> {
  const name = options.organization ? 'organization_id' : 'account_id';
  const api = await client(options);
  const { result } = await api.call('PUT', path, { [name]: id, ...body });
  process.stdout.write(`${lineOf(result as ShownRule)}\n`);
}

function client({ data, url }: Common): Promise<ApiClient> {
  return ApiClient.find(loadConfig(undefined, data === undefined ? {} : { '--data': data }), url);
}

function lineOf(rule: ShownRule): string {
  const { account_id: accountId, organization_id: organizationId, hold } = rule;
  const months = rule.retention_months;
  return [
    accountId === undefined ? `organization ${organizationId ?? ''}` : `account ${accountId}`,
    months === null ? 'default' : monthsText(months),
    ...(hold ? [`held since ${hold.since} by ${hold.by}: ${JSON.stringify(hold.reason)}`] : []),
  ].join('  ');
}

function monthsText(months: number): string {
  return months === 0 ? 'for ever' : `${months} months`;
}

function monthsOf(text: string): number | null {
  if (text === 'default') return null;
  if (text === 'forever') return 0;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 on, "forever" or "default".');
}
