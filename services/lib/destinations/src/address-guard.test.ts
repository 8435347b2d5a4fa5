import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { promisify } from 'node:util';

import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { afterEach, describe, expect, it } from 'vitest';

import { parseCidrs } from './address.ts';
import { createGuardedAgent, guardedLookup } from './address-guard.ts';
import type { AddressRule } from './policy.ts';

const PUBLIC: AddressRule = { allowPrivate: [], privateOnly: false };
const LOOPBACK: AddressRule = { allowPrivate: parseCidrs('127.0.0.0/8'), privateOnly: true };
const LIMITS = { connectMs: 2_000, tlsMs: 100, silenceMs: 100 };
const { logger, lines } = createRecordingLogger();

const answer = (...addresses: string[]): LookupAddress[] =>
  addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));

describe('guardedLookup', () => {
  const lookUp = (rule: AddressRule, answers: LookupAddress[] | Error): Promise<unknown> => {
    const resolve = async (): Promise<LookupAddress[]> => {
      if (answers instanceof Error) throw answers;
      return answers;
    };
    const lookup = promisify(guardedLookup(rule, logger, resolve));
    return lookup('hook.example', { all: true });
  };

  it('hands out public answers, all of them', async () => {
    const answers = answer('93.184.216.34', '2606:4700::1');
    expect(await lookUp(PUBLIC, answers)).toEqual(answers);
  });

  it.each([
    [['127.0.0.1']],
    [['192.168.1.9']],
    [['::ffff:10.0.0.5']],
    [['64:ff9b::a9fe:a9fe']],
    [['fe80::1%eth0']],
    // Happy eyeballs would try the second one when the first does not answer.
    [['93.184.216.34', '10.0.0.5']],
    [['10.0.0.5', '93.184.216.34']],
  ])('forbids a name with the answers %j', async (addresses) => {
    await expect(lookUp(PUBLIC, answer(...addresses))).rejects.toMatchObject({
      code: 'address_blocked',
    });
  });

  it('tells the operator the forbidden address, and the user only that it is one', async () => {
    const error: unknown = await lookUp(PUBLIC, answer('10.0.0.5')).catch(
      (cause: unknown) => cause,
    );
    expect(String(error)).toContain('hook.example is not public');
    expect(String(error)).not.toContain('10.0.0.5');
    expect(lines.at(-1)?.fields).toEqual({ host: 'hook.example', address: '10.0.0.5' });
  });

  it('forbids public answers where only private ones may be', async () => {
    await expect(lookUp(LOOPBACK, answer('93.184.216.34'))).rejects.toMatchObject({
      code: 'address_blocked',
    });
    expect(await lookUp(LOOPBACK, answer('127.0.0.1'))).toHaveLength(1);
  });

  it('fails closed without an answer or with an error of the name server', async () => {
    await expect(lookUp(PUBLIC, [])).rejects.toMatchObject({ code: 'no_address' });
    const failure = Object.assign(new Error('queryA ESERVFAIL'), { code: 'EAI_AGAIN' });
    await expect(lookUp(PUBLIC, failure)).rejects.toBe(failure);
  });

  it('hands out one address of the wanted family when asked for one', async () => {
    const lookup = guardedLookup(PUBLIC, logger, async () => answer('2606:4700::1', '1.1.1.1'));
    const found = await new Promise((resolve) =>
      lookup('hook.example', { family: 4 }, (_error, address, family) =>
        resolve([address, family]),
      ),
    );
    expect(found).toEqual(['1.1.1.1', 4]);
  });
});

describe('createGuardedAgent', () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  async function listen(server: Server): Promise<number> {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function fetchFrom(url: string, rule: AddressRule): Promise<string> {
    const target = { url: new URL(url), rule, verified: true };
    const agent = createGuardedAgent(target, LIMITS, logger);
    const start = url.startsWith('https:') ? httpsRequest : httpRequest;
    try {
      const request = start(url, { agent }).end();
      await once(request, 'response');
      return 'answered';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    } finally {
      agent.destroy();
    }
  }

  it('connects nowhere for a forbidden literal address, which Node never looks up', async () => {
    let connections = 0;
    const port = await listen(createServer(() => (connections += 1)));
    expect(await fetchFrom(`http://127.0.0.1:${port}/`, PUBLIC)).toBe('address_blocked');
    expect(await fetchFrom(`http://[::ffff:127.0.0.1]:${port}/`, PUBLIC)).toBe('address_blocked');
    expect(await fetchFrom(`http://localhost:${port}/`, PUBLIC)).toBe('address_blocked');
    expect(connections).toBe(0);
  });

  it('connects where the rule allows, by address and by name', async () => {
    const port = await listen(createHttpServer((_request, response) => response.end()));
    const rule = { allowPrivate: parseCidrs('127.0.0.0/8 ::1'), privateOnly: true };
    expect(await fetchFrom(`http://127.0.0.1:${port}/`, rule)).toBe('answered');
    expect(await fetchFrom(`http://localhost:${port}/`, rule)).toBe('answered');
  });

  it('looks at the peer once more after connecting', async () => {
    const port = await listen(createHttpServer((_request, response) => response.end()));
    const answers = [parseCidrs('127.0.0.1'), []];
    // Allows loopback when the host is checked, and no more when the connection stands.
    const rule: AddressRule = {
      get allowPrivate() {
        return answers.shift() ?? [];
      },
      privateOnly: true,
    };
    expect(await fetchFrom(`http://127.0.0.1:${port}/`, rule)).toBe('address_blocked');
  });

  it('gives up a server that takes the connection and stays silent', async () => {
    const port = await listen(createServer());
    expect(await fetchFrom(`http://127.0.0.1:${port}/`, LOOPBACK)).toBe('stalled');
    expect(await fetchFrom(`https://127.0.0.1:${port}/`, LOOPBACK)).toBe('tls_timeout');
  });

  it('asks no proxy that the environment names', async () => {
    let proxied = 0;
    const proxy = await listen(createServer(() => (proxied += 1)));
    const port = await listen(createHttpServer((_request, response) => response.end()));
    const before = { ...process.env };
    process.env['HTTP_PROXY'] = process.env['http_proxy'] = `http://127.0.0.1:${proxy}`;
    try {
      expect(await fetchFrom(`http://127.0.0.1:${port}/`, LOOPBACK)).toBe('answered');
    } finally {
      process.env = before;
    }
    expect(proxied).toBe(0);
  });
});
