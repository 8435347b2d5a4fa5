import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { SecureListener } from './index.ts';

export const kafkaVersion = /<kafka\.version>([^<]+)</.exec(
  readFileSync(join(import.meta.dirname, 'pom.xml'), 'utf8'),
)![1]!;

/** `server.properties` of one broker that is its own controller (KRaft, combined mode). */
export function serverProperties(at: {
  readonly bindHost: string;
  readonly advertisedHost: string;
  readonly port: number;
  readonly advertisedPort: number;
  readonly controllerPort: number;
  readonly dataFolder: string;
}): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${at.controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'CLIENT',
    listeners: `CLIENT://${at.bindHost}:${at.port},CONTROLLER://127.0.0.1:${at.controllerPort}`,
    'advertised.listeners': `CLIENT://${at.advertisedHost}:${at.advertisedPort}`,
    'log.dirs': at.dataFolder,
    // One of everything, and no waiting for more members or for the session of a killed broker.
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    // As production topics should be.
    'log.message.timestamp.type': 'LogAppendTime',
    'auto.create.topics.enable': 'false',
  };
}

/** What to add for a second listener with TLS and SASL on loopback. */
export function secureProperties(
  { port, certificate, username, password }: SecureListener,
  plain: Readonly<Record<string, string>>,
): Record<string, string> {
  const modules = 'org.apache.kafka.common.security';
  const pem = (text: string): string => text.trim().replaceAll('\n', '\\n');
  return {
    listeners: `${plain['listeners']},SECURE://127.0.0.1:${port}`,
    'advertised.listeners': `${plain['advertised.listeners']},SECURE://127.0.0.1:${port}`,
    'listener.security.protocol.map': `${plain['listener.security.protocol.map']},SECURE:SASL_SSL`,
    'listener.name.secure.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
    'listener.name.secure.plain.sasl.jaas.config': `${modules}.plain.PlainLoginModule required user_${username}="${password}";`,
    'listener.name.secure.scram-sha-512.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
    'listener.name.secure.ssl.keystore.type': 'PEM',
    'listener.name.secure.ssl.keystore.certificate.chain': pem(certificate.cert),
    'listener.name.secure.ssl.keystore.key': pem(certificate.key),
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
