import tls from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '@trailpush/core';
import type { RecordLog } from '@trailpush/core';
import { ensureTopic, openKafkaLog, preflightTopic } from '@trailpush/log';
import type { KafkaLogOptions } from '@trailpush/log';
import { systemClock } from '@trailpush/runtime';
import { createAuthority } from '@trailpush/test/kit/certificates.ts';
import { numbered, readAll, until } from '@trailpush/test/kit/contracts/record-log/suite.ts';
import { startKafka } from '@trailpush/test/kit/kafka/index.ts';
import { freePort } from '@trailpush/test/kit/kafka/settings.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';

const authority = createAuthority();
const port = await freePort();
const username = 'alice';
const password = 'correct-horse';
const { kafka, reason } = await startKafka({
  disposable: true,
  secure: { port, username, password, certificate: authority.issue(['127.0.0.1']) },
});
const note = reason === undefined ? '' : ` (${reason})`;

describe.skipIf(kafka === undefined)(`Kafka with TLS and SASL${note}`, () => {
  const trusted = tls.getCACertificates('default');
  const { logger, lines } = createRecordingLogger();
  let log: RecordLog | undefined;
  const optionsFor = (sasl: KafkaLogOptions['sasl']): KafkaLogOptions => ({
    brokers: [`127.0.0.1:${port}`],
    clientId: 'trailpush-test',
    ssl: true,
    sasl,
    topic: 'secured',
    maxRecordBytes: 1_000_000,
    clock: systemClock,
    logger,
  });
  beforeAll(() => tls.setDefaultCACertificates([...trusted, authority.cert]));
  afterEach(async () => log?.close());
  afterAll(async () => {
    tls.setDefaultCACertificates(trusted);
    await kafka?.stop();
  });

  it.each(['plain', 'scram-sha-512'] as const)('works with %s', async (mechanism) => {
    const options = optionsFor({ mechanism, username, password: new Secret(password) });
    await ensureTopic({ ...options, partitions: 2, replicationFactor: 1 });
    expect(await preflightTopic(options)).toHaveLength(1);
    log = await openKafkaLog(options);
    const before = (await readAll(log)).flatMap(({ records }) => records).length;
    await log.append(numbered('k', 10));
    expect((await readAll(log)).flatMap(({ records }) => records)).toHaveLength(before + 10);
    const held: number[] = [];
    await log.joinGroup(`secured-${mechanism}`, ({ partitions }) => held.push(...partitions));
    await until('the member holds all', () => held.length === 2);
  });

  it('says that the password is wrong, without it', async () => {
    const wrong = new Secret('wrong-horse');
    log = await openKafkaLog(optionsFor({ mechanism: 'plain', username, password: wrong }));
    const error: unknown = await log.bounds().catch((refusal: unknown) => refusal);
    expect(String(error)).toMatch(
      /127\.0\.0\.1:\d+ cannot be used: SASL PLAIN authentication failed/,
    );
    expect(log.health()).toMatch(/SASL PLAIN authentication failed/);
    expect(JSON.stringify([String(error), log.health(), lines])).not.toContain('wrong-horse');
  });

  it('says that the certificate is not trusted', async () => {
    tls.setDefaultCACertificates(trusted);
    const sasl = { mechanism: 'plain', username, password: new Secret(password) } as const;
    log = await openKafkaLog(optionsFor(sasl));
    await expect(log.bounds()).rejects.toThrow(/cannot be used: .*certificate/);
  });
});
