import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

import { Presets, SingleBar } from 'cli-progress';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { ConfigError, messageOf, TrailpushError } from '@trailpush/core';
import { loadConfig } from '@trailpush/runtime';
import { ApiClient } from './api-client.ts';

interface DownloadOptions {
  readonly since: string;
  readonly before: string;
  readonly format: 'ndjson' | 'csv';
  readonly filter?: readonly (readonly [name: string, value: string])[];
  readonly output?: string;
  readonly organization?: true;
  readonly url?: string;
  readonly data?: string;
}

/** `trailpush audit download`, through the API of a running program. */
export function addAuditDownload(audit: Command): void {
  audit
    .command('download')
    .argument('<account>', 'id of the account')
    .description('all audit logs of a range, the oldest first')
    .requiredOption('--since <time>', 'inclusive: a date (UTC) or an RFC 3339 time')
    .requiredOption('--before <time>', 'exclusive: a date (UTC) or an RFC 3339 time')
    .addOption(
      new Option('--format <format>', 'what to write').choices(['ndjson', 'csv']).default('ndjson'),
    )
    .option(
      '--filter <name=value>',
      'as in the API, such as actor_email.not=..; again for more',
      filter,
    )
    .option('--output <file>', 'there only when it is complete (default: standard output)')
    .option('--organization', 'it is the id of an organization')
    .option('--url <url>', 'where the API is (default: the program of the data folder)')
    .option('--data <folder>', 'data folder (TRAILPUSH_DATA, default ./data)')
    .action(download);
}

function filter(
  text: string,
  before: DownloadOptions['filter'] = [],
): NonNullable<DownloadOptions['filter']> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be NAME=VALUE.');
  return [...before, [text.slice(0, at), text.slice(at + 1)]];
}

/** @throws RefusedError; TrailpushError when it broke off */
async function download(id: string, options: DownloadOptions): Promise<void> {
  const { since, before, format, filter: filters = [], data, output } = options;
  const config = loadConfig(undefined, data === undefined ? {} : { '--data': data });
  const api = await ApiClient.find(config, options.url);
  const kind = options.organization === true ? 'organizations' : 'accounts';
  const query = new URLSearchParams({ since, before, format });
  for (const [name, value] of filters) query.append(name, value);
  const path = `/client/v4/${kind}/${encodeURIComponent(id)}/logs/audit/download`;
  const body = await api.stream(`${path}?${query.toString()}`);
  const progress = new Progress(Date.parse(since), Date.parse(before));
  const part = output === undefined ? undefined : `${output}.part`;
  const target = part === undefined ? process.stdout : createWriteStream(part);
  try {
    await pipeline(progress.watch(body), target);
    if (part !== undefined && output !== undefined) await rename(part, output);
  } catch (error) {
    if (part !== undefined) await rm(part, { force: true });
    const { code, syscall } = error as NodeJS.ErrnoException;
    // Who reads our output has enough, as `head` has.
    if (code === 'EPIPE' && output === undefined) return;
    // Errors of the answer come from `fetch` and name no system call.
    if (syscall !== undefined) {
      const name = output === undefined ? 'standard output' : `--output ${output}`;
      throw new ConfigError(`${name} cannot be written (${messageOf(error)})`, { cause: error });
    }
    throw new BrokenDownloadError(
      `the download broke off and is not kept (${messageOf(error)}): try again, perhaps in shorter ranges`,
      { cause: error },
    );
  } finally {
    progress.end();
  }
}

/** The download ended before it was complete. */
class BrokenDownloadError extends TrailpushError {}

/** Of an event in either format; good enough to show how far a download is. */
const TIME = /(?:"time":"|,)(\d{4}-\d\d-\d\dT[\d:.]+Z)[",]/g;

/** On a terminal: how much of the range of time is done. */
class Progress {
  readonly #bar: SingleBar | undefined;
  readonly #sinceMs: number;
  #bytes = 0;

  constructor(sinceMs: number, beforeMs: number) {
    this.#sinceMs = sinceMs;
    if (!process.stderr.isTTY || !(beforeMs > sinceMs)) return;
    const format = '{bar} {percentage}% of the time | {megabytes} MB';
    this.#bar = new SingleBar({ format, stream: process.stderr }, Presets.shades_classic);
    this.#bar.start(beforeMs - sinceMs, 0, { megabytes: 0 });
  }

  async *watch(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of chunks) {
      this.#bytes += chunk.length;
      if (this.#bar) this.#show(this.#bar, chunk);
      yield chunk;
    }
  }

  end(): void {
    this.#bar?.stop();
  }

  #show(bar: SingleBar, chunk: Uint8Array): void {
    const last = [...Buffer.from(chunk).toString('latin1').matchAll(TIME)].at(-1)?.[1];
    const payload = { megabytes: (this.#bytes / 1e6).toFixed(1) };
    if (last === undefined) return;
    bar.update(Math.max(0, Date.parse(last) - this.#sinceMs), payload);
  }
}
