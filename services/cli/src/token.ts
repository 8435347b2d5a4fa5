import { Option, type Command } from 'commander';
import { ApiError, TokenAdmin, type CreatedToken, type ShownToken } from '@trailpush/api';
import { ConfigError, PERMISSIONS, StoreUnavailableError } from '@trailpush/core';
import { createLogger, Lifecycle, loadConfig, Readiness, systemClock } from '@trailpush/runtime';
import { findRunning, type RunningProgram } from './running-program.ts';
import { timeOf } from './time-option.ts';
import { openSecrets, openStores, type Base } from './world.ts';

type Tokens = Pick<TokenAdmin, 'create' | 'list' | 'revoke'>;

interface Options {
  readonly data?: string;
}

interface CreateOptions extends Options {
  readonly account?: readonly string[];
  readonly organization?: readonly string[];
  readonly allAccounts?: boolean;
  readonly permission: readonly string[];
  readonly name?: string;
  readonly email?: string;
  readonly expires?: string;
  readonly notBefore?: string;
  readonly allowAddress?: readonly string[];
}

const DATA = ['--data <folder>', 'data folder (TRAILPUSH_DATA, default ./data)'] as const;

/** `trailpush token create | list | revoke`. */
export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('tokens of the API');
  token
    .command('create')
    .description('make a token and print it, this once')
    .option('--account <id...>', 'accounts that it is for')
    .option('--organization <id...>', 'organizations that it is for')
    .option('--all-accounts', 'for all accounts and organizations')
    .addOption(
      new Option('--permission <name...>', 'what it may do')
        .choices(PERMISSIONS)
        .makeOptionMandatory(),
    )
    .option('--name <text>', 'a name to know it by')
    .option('--email <address>', 'whose it is; with this it also serves as X-Auth-Key')
    .option('--expires <when>', 'until when: 90d, 12h, or a time such as 2030-01-01T00:00:00Z')
    .option('--not-before <when>', 'from when on, in the same forms')
    .option(
      '--allow-address <range...>',
      'addresses that it may be used from, such as 192.0.2.0/24',
    )
    .option(...DATA)
    .action((options: CreateOptions) =>
      withTokens(options, async (tokens) => printCreated(await tokens.create(orderOf(options)))),
    );
  token
    .command('list')
    .description('all tokens, without their secret parts')
    .option(...DATA)
    .action((options: Options) =>
      withTokens(options, async (tokens) => printList(await tokens.list())),
    );
  token
    .command('revoke')
    .argument('<id>', 'the id that list shows')
    .description('refuse a token from now on')
    .option(...DATA)
    .action((id: string, options: Options) =>
      withTokens(options, async (tokens) => {
        const { name } = await tokens.revoke(id);
        process.stdout.write(`token ${id}${name === '' ? '' : ` (${name})`} is revoked\n`);
      }),
    );
}

/** The tokens of a running program through its API, else those of the stores themselves. */
async function withTokens(
  options: Options,
  action: (tokens: Tokens) => Promise<void>,
): Promise<void> {
  const config = loadConfig(
    undefined,
    options.data === undefined ? {} : { '--data': options.data },
  );
  const logger = createLogger({ level: 'warn', stream: process.stderr });
  const lifecycle = new Lifecycle({ clock: systemClock, logger });
  const base: Base = { config, clock: systemClock, logger, lifecycle, readiness: new Readiness() };
  try {
    const running = config.databaseUrl ? undefined : await findRunning(base);
    await action(running ? remoteTokens(running) : await storedTokens(base));
  } catch (error) {
    // What the API would answer to a wrong request is about a wrong argument here.
    throw error instanceof ApiError ? new ConfigError(error.message) : error;
  } finally {
    await lifecycle.shutdown();
  }
}

async function storedTokens(base: Base): Promise<Tokens> {
  const { tokens } = await openStores(base, await openSecrets(base));
  return new TokenAdmin(tokens, base.clock);
}

function remoteTokens({ url, authorization }: RunningProgram): Tokens {
  const call = async <Result>(method: string, path: string, body?: unknown): Promise<Result> => {
    const headers = { authorization, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/admin/v1/tokens${path}`, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { success, result, errors } = (await answer.json()) as {
      success: boolean;
      result: Result;
      errors: readonly { message: string }[];
    };
    if (success) return result;
    const message = errors.map((error) => error.message).join('; ');
    throw answer.status < 500 ? new ConfigError(message) : new StoreUnavailableError(message);
  };
  return {
    create: (body) => call<CreatedToken>('POST', '', body),
    list: () => call<readonly ShownToken[]>('GET', ''),
    revoke: (id) => call<ShownToken>('DELETE', `/${encodeURIComponent(id)}`),
  };
}

function orderOf(options: CreateOptions): object {
  const isForSome = options.account !== undefined || options.organization !== undefined;
  if (isForSome === (options.allAccounts === true)) {
    const message =
      'name accounts with --account and organizations with --organization, or say --all-accounts';
    throw new ConfigError(message);
  }
  return {
    name: options.name ?? '',
    email: options.email ?? null,
    account_ids: options.allAccounts ? null : (options.account ?? []),
    organization_ids: options.organization ?? [],
    permissions: options.permission,
    allowed_addresses: options.allowAddress ?? [],
    expires_on: timeOf('--expires', options.expires),
    not_before: timeOf('--not-before', options.notBefore),
  };
}

function printCreated({ id, value }: CreatedToken): void {
  process.stderr.write(`token ${id}; it is shown this once, keep it now:\n`);
  process.stdout.write(`${value}\n`);
}

function scopeOf({ account_ids: accounts, organization_ids: organizations }: ShownToken): string {
  if (accounts === null) return 'all accounts';
  return [...accounts, ...organizations.map((id) => `organization:${id}`)].join(',');
}

function printList(tokens: readonly ShownToken[]): void {
  for (const token of tokens) {
    const words = [
      token.id,
      token.status,
      scopeOf(token),
      token.permissions.join(', '),
      token.expires_on === null ? 'no end' : `until ${token.expires_on}`,
      ...(token.email === null ? [] : [token.email]),
      ...(token.name === '' ? [] : [JSON.stringify(token.name)]),
    ];
    process.stdout.write(`${words.join('  ')}\n`);
  }
}
