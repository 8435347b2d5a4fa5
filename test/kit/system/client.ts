import { ADMIN_TOKEN } from './program.ts';

/** What a job of a test needs; the rest has defaults. */
export interface NewJob {
  readonly name: string;
  readonly destination_conf: string;
  readonly [property: string]: unknown;
}

interface Envelope<T> {
  readonly success: boolean;
  readonly errors: readonly { readonly code: number; readonly message: string }[];
  readonly result: T;
}

const HEADERS = { authorization: `Bearer ${ADMIN_TOKEN}` };

/** Creates an enabled job and gives its id. */
export async function createJob(url: string, account: string, job: NewJob): Promise<number> {
  const answer = await fetch(`${url}/client/v4/accounts/${account}/logpush/jobs`, {
    method: 'POST',
    headers: { ...HEADERS, 'content-type': 'application/json' },
    body: JSON.stringify({ dataset: 'audit_logs_v2', enabled: true, ...job }),
  });
  const { success, errors, result } = (await answer.json()) as Envelope<{ id: number }>;
  if (!success) throw new Error(`no job: ${JSON.stringify(errors)}`);
  return result.id;
}

export async function changeJob(
  url: string,
  account: string,
  id: number,
  change: Readonly<Record<string, unknown>>,
): Promise<void> {
  const answer = await fetch(`${url}/client/v4/accounts/${account}/logpush/jobs/${id}`, {
    method: 'PUT',
    headers: { ...HEADERS, 'content-type': 'application/json' },
    body: JSON.stringify(change),
  });
  if (!answer.ok) throw new Error(`no change: ${await answer.text()}`);
}

export async function getJob(
  url: string,
  account: string,
  id: number,
): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetch(`${url}/client/v4/accounts/${account}/logpush/jobs/${id}`, {
    headers: HEADERS,
  });
  return ((await answer.json()) as Envelope<Record<string, unknown>>).result;
}

/** Sends lines. `message` is the first error of the answer, when there is one. */
export async function postEvents(
  url: string,
  lines: readonly string[],
): Promise<{ status: number; message: string }> {
  const answer = await fetch(`${url}/ingest/v1/events`, {
    method: 'POST',
    headers: { ...HEADERS, 'content-type': 'application/x-ndjson' },
    body: `${lines.join('\n')}\n`,
  });
  const { errors } = (await answer.json()) as Envelope<unknown>;
  return { status: answer.status, message: errors[0]?.message ?? '' };
}

/** Sends lines. True when they are durable; false or an error when nobody knows. */
export async function ingest(url: string, lines: readonly string[]): Promise<boolean> {
  const { status, message } = await postEvents(url, lines);
  if (status === 400) throw new Error(`lines were refused: ${message}`);
  return status === 202;
}

export async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  let sum = 0;
  for (const line of text.split('\n')) {
    if (line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}
