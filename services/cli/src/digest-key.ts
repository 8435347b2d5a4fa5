import type { Command } from 'commander';
import type { ShownDigestKey } from '@trailpush/api';
import { loadConfig } from '@trailpush/runtime';
import { ApiClient } from './api-client.ts';

interface Options {
  readonly url?: string;
  readonly data?: string;
  readonly pem?: boolean;
}

/** `trailpush digest-key list | rotate`. */
export function addDigestKeyCommands(program: Command): void {
  const keys = program.command('digest-key').description('the keys that digests are signed with');
  const common = (command: Command) =>
    command
      .option('--url <url>', 'where the API is (default: the program of the data folder)')
      .option('--data <folder>', 'data folder (TRAILPUSH_DATA, default ./data)');
  common(
    keys
      .command('list')
      .description('all public keys, the one that signs first')
      .option('--pem', 'as trailpush verify --public-key reads them'),
  ).action(async (options: Options) => {
    const listed = (await call(options, 'GET', '')) as readonly ShownDigestKey[];
    process.stdout.write(listed.map(options.pem === true ? pemOf : line).join(''));
  });
  common(
    keys
      .command('rotate')
      .description('sign with a new key from now on; old public keys are served on'),
  ).action(async (options: Options) => {
    process.stdout.write(line((await call(options, 'POST', '/rotate')) as ShownDigestKey));
  });
}

async function call(
  { url, data }: Options,
  method: 'GET' | 'POST',
  path: string,
): Promise<unknown> {
  const config = loadConfig(undefined, data === undefined ? {} : { '--data': data });
  const api = await ApiClient.find(config, url);
  return (await api.call(method, `/admin/v1/digest_keys${path}`)).result;
}

function pemOf({ public_key: pem }: ShownDigestKey): string {
  return pem;
}

function line({ id, created_on: created, retired_on: retired }: ShownDigestKey): string {
  return `${id}  since ${created}  ${retired === null ? 'signs' : `retired at ${retired}`}\n`;
}
