import { InvalidArgumentError, type Command } from 'commander';
import type { ResentDeadLetter, ShownDeadLetter } from '@trailpush/api';
import { loadConfig } from '@trailpush/runtime';
import { ApiClient } from './api-client.ts';

interface Common {
  readonly url?: string;
  readonly data?: string;
}

interface ListOptions extends Common {
  readonly account?: string;
  readonly job?: number;
  readonly reason?: string;
  readonly before?: number;
  readonly limit?: number;
}

const LETTERS = '/admin/v1/dead_letters';

/** `trailpush deadletters list | show | resend`, through the API of a running program. */
export function addDeadLetterCommands(program: Command): void {
  const letters = program
    .command('deadletters')
    .description('records that were set aside, since they could not be delivered');
  const common = (command: Command) =>
    command
      .option('--url <url>', 'where the API is (default: the program of the data folder)')
      .option('--data <folder>', 'data folder (TRAILPUSH_DATA, default ./data)');
  common(letters.command('list').description('all of them, the newest first'))
    .option('--account <id>', 'only of this account')
    .option('--job <id>', 'only those that the destination of this job refused', wholeNumber)
    .option('--reason <name>', 'only with this reason')
    .option('--before <id>', 'only older ones than this', wholeNumber)
    .option('--limit <number>', 'how many at most (default 100)', wholeNumber)
    .action(list);
  common(letters.command('show').description('one of them, with what is in it'))
    .argument('<id>', 'the id that list shows', wholeNumber)
    .action(async (id: number, options: Common) => {
      const { result } = await (await client(options)).call('GET', `${LETTERS}/${id}`);
      process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    });
  common(letters.command('resend').description('send them again: to the log, or to their job'))
    .argument('<id...>', 'the ids that list shows', wholeNumbers)
    .action(resend);
}

async function list(options: ListOptions): Promise<void> {
  const query = new URLSearchParams();
  const { account, job, reason, before, limit } = options;
  const given = { account_id: account, job_id: job, reason, before, limit };
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const { result } = await (await client(options)).call('GET', `${LETTERS}?${query.toString()}`);
  for (const letter of result as readonly ShownDeadLetter[]) {
    process.stdout.write(`${lineOf(letter)}\n`);
  }
}

/** One after the other; the first that cannot be sent ends it, and those before are named. */
async function resend(ids: readonly number[], options: Common): Promise<void> {
  const api = await client(options);
  for (const id of ids) {
    const { result } = await api.call('POST', `${LETTERS}/${id}/resend`);
    const { replay_id: replay, job_id: job } = result as ResentDeadLetter;
    const how =
      replay === null ? 'is in the log again' : `is delivered to job ${job} by replay ${replay}`;
    process.stdout.write(`dead letter ${id} ${how}\n`);
  }
}

function client({ data, url }: Common): Promise<ApiClient> {
  return ApiClient.find(loadConfig(undefined, data === undefined ? {} : { '--data': data }), url);
}

function lineOf(letter: ShownDeadLetter): string {
  const words = [
    letter.id,
    letter.set_aside_on,
    letter.account_id === null ? 'no account' : JSON.stringify(letter.account_id),
    letter.job_id === null ? 'for all' : `job ${letter.job_id}`,
    `${letter.partition}:${letter.offset}`,
    letter.reason,
    JSON.stringify(letter.message),
    ...(letter.resent_on === null ? [] : [`resent ${letter.resent_on}`]),
  ];
  return words.join('  ');
}

function wholeNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number.');
}

function wholeNumbers(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, wholeNumber(text)];
}
