import type { EventSource } from '../kit/event-source.ts';
import type { DemoDestination } from './destinations.ts';

export interface ProgramAddress {
  readonly url: string;
  readonly token: string;
}

const LINES_PER_REQUEST = 5_000;

async function post(
  program: ProgramAddress,
  path: string,
  contentType: string,
  body: string,
): Promise<void> {
  const answer = await fetch(`${program.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${program.token}`, 'content-type': contentType },
    body,
  });
  if (!answer.ok)
    throw new Error(`POST ${path} was answered ${answer.status}: ${await answer.text()}`);
}

/** An enabled job as a customer would make it, with a short interval so that nobody waits long. */
export async function createDemoJob(
  program: ProgramAddress,
  account: string,
  destination: DemoDestination,
): Promise<void> {
  const job = {
    name: `demo-${destination.name}`,
    dataset: 'audit_logs_v2',
    enabled: true,
    destination_conf: destination.conf,
    max_upload_interval_seconds: 2,
    output_options: { timestamp_format: 'rfc3339' },
  };
  const path = `/client/v4/accounts/${account}/logpush/jobs`;
  await post(program, path, 'application/json', JSON.stringify(job));
}

/** Sends the first `count` events. Resolves to when each was acknowledged, milliseconds since the epoch. */
export async function sendEvents(
  program: ProgramAddress,
  source: EventSource,
  count: number,
  onProgress: (sent: number) => void,
): Promise<Float64Array> {
  const sentAtMs = new Float64Array(count);
  for (let first = 0; first < count; first += LINES_PER_REQUEST) {
    const end = Math.min(first + LINES_PER_REQUEST, count);
    const lines = Array.from({ length: end - first }, (_, index) => source.item(first + index));
    const now = Date.now();
    await post(program, '/ingest/v1/events', 'application/x-ndjson', lines.join('\n'));
    sentAtMs.fill(now, first, end);
    onProgress(end);
  }
  return sentAtMs;
}
