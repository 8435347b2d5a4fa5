import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

import { ConfigError, InvalidDestinationError, type Logger, type Secret } from '@trailpush/core';

import { createGuardedAgent } from './address-guard.ts';
import { type DestinationPolicy, parseTarget } from './policy.ts';

const LIMITS = { connectMs: 5_000, tlsMs: 5_000, silenceMs: 10_000 };

/**
 * Returns what posts JSON to the operator's webhook, to addresses that destinations may reach. It rejects
 * unless the receiver answers with 2xx; redirects are not followed.
 * @throws ConfigError naming `setting`
 */
export function openWebhook(
  url: Secret,
  options: { setting: string; policy: DestinationPolicy; logger: Logger },
): { post: (body: string, signal: AbortSignal) => Promise<void>; close: () => void } {
  const target = targetOf(url.reveal(), options);
  const agent = createGuardedAgent(target, LIMITS, options.logger);
  const start = target.url.protocol === 'https:' ? httpsRequest : httpRequest;
  return {
    post: async (body, signal) => {
      const request = start(target.url, { method: 'POST', agent, signal });
      // What happens after the answer concerns nobody; what happens before rejects `once`.
      request.on('error', () => undefined);
      request.setHeader('Content-Type', 'application/json');
      request.end(body);
      const [response] = (await once(request, 'response', { signal })) as [IncomingMessage];
      // What it says beside the status is of no interest.
      response.destroy();
      const { statusCode = 0 } = response;
      if (statusCode < 200 || statusCode > 299) throw new Error(`it answered ${statusCode}`);
    },
    close: () => agent.destroy(),
  };
}

function targetOf(
  url: string,
  { setting, policy }: { setting: string; policy: DestinationPolicy },
): ReturnType<typeof parseTarget> {
  try {
    return parseTarget(url, 'the address', policy);
  } catch (error) {
    if (!(error instanceof InvalidDestinationError)) throw error;
    const problem = error.message.replace(/^invalid destination_conf: /, '');
    throw new ConfigError(`${setting} cannot be used: ${problem}`);
  }
}
