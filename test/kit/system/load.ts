import { randomUUID } from 'node:crypto';
import { ingest } from './client.ts';

const LINES_PER_REQUEST = 500;
const RETRY_AFTER_MS = 100;

/** One event, about 1 kB as a line of all fields. */
export function item(account: string, id: string): string {
  return JSON.stringify({
    id,
    account: { id: account, name: 'Example Account' },
    action: { description: 'Update DNS record', result: 'success', type: 'update' },
    actor: {
      id: id.slice(0, 8),
      type: 'user',
      context: 'api_token',
      email: `${id.slice(0, 4)}@example.com`,
      ip_address: '198.51.100.7',
      token_id: id.replaceAll('-', ''),
      token_name: 'deploy',
    },
    raw: {
      cf_ray_id: id.slice(-12),
      method: 'PUT',
      status_code: 200,
      uri: `/zones/${id}/dns_records/${id}`,
      user_agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Safari/537.36',
    },
    resource: {
      id,
      product: 'dns',
      type: 'record',
      scope: 'zones',
      request: { name: 'www.example.com', type: 'A', content: '198.51.100.4', ttl: 3600 },
      response: { id, success: true },
    },
    zone: { id: id.replaceAll('-', ''), name: 'example.com' },
  });
}

/**
 * Sends events until a number of them is acknowledged. What was sent and not acknowledged is never sent
 * again under the same id, since nobody knows whether the log has it: it is `uncertain`.
 */
export class Load {
  readonly acknowledged = new Set<string>();
  readonly uncertain = new Set<string>();
  readonly #urls: readonly string[];
  readonly #account: string;

  constructor(urls: readonly string[], account: string) {
    this.#urls = urls;
    this.#account = account;
  }

  async send(events: number): Promise<void> {
    const senders = this.#urls.flatMap((url) => [
      this.#sender(url, events),
      this.#sender(url, events),
    ]);
    await Promise.all(senders);
  }

  async #sender(url: string, events: number): Promise<void> {
    while (this.acknowledged.size < events) {
      const ids = Array.from({ length: LINES_PER_REQUEST }, () => randomUUID());
      const isDurable = await ingest(
        url,
        ids.map((id) => item(this.#account, id)),
      ).catch((error: unknown) => {
        if (error instanceof Error && error.message.startsWith('lines were refused')) throw error;
        return false;
      });
      for (const id of ids) (isDurable ? this.acknowledged : this.uncertain).add(id);
      if (!isDurable) await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    }
  }
}
