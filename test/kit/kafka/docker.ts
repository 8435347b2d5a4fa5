import type { ContainerRuntimeClient } from 'testcontainers';
import type { Progress, StartedKafka, StartKafkaOptions } from './index.ts';
import { checkBrokersReady } from './ready.ts';
import { freePort, kafkaVersion, serverProperties } from './settings.ts';

const engineTimeoutMs = 5_000;
const startTimeoutMs = 60_000;

/** A broker in a container, on a port of the host that outlives its restarts. */
export async function startDockerKafka(
  options: StartKafkaOptions,
  progress: Progress,
): Promise<StartedKafka> {
  if (options.secure !== undefined) return { reason: 'the container has no TLS' };
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers');
  const engine = await answerOf(getContainerRuntimeClient());
  if (engine === undefined) {
    return { reason: 'no Docker engine' };
  }
  const { host } = engine.info.containerRuntime;
  const port = await freePort();
  const advertisedPort = (await options.advertise?.(port)) ?? port;
  const image = `apache/kafka:${kafkaVersion}`;
  progress(`starting ${image} (the first time Docker pulls it)`);
  const container = await new GenericContainer(image)
    .withExposedPorts({ container: port, host: port })
    .withEnvironment(environment(host, port, advertisedPort))
    .withWaitStrategy(Wait.forListeningPorts())
    .withStartupTimeout(5 * startTimeoutMs)
    .start();
  const handle = engine.container.getById(container.getId());
  const brokers = [`${host}:${advertisedPort}`];
  await checkBrokersReady(brokers, startTimeoutMs);
  return {
    kafka: {
      brokers,
      description: `Apache Kafka ${kafkaVersion} (Docker)`,
      kill: async () => {
        await handle.kill();
      },
      restart: async () => {
        await handle.restart();
        await checkBrokersReady(brokers, startTimeoutMs);
      },
      stop: async () => {
        await container.stop({ timeout: 0 });
      },
    },
  };
}

/** The image turns `KAFKA_A_B` into the setting `a.b`. */
function environment(host: string, port: number, advertisedPort: number): Record<string, string> {
  const properties = serverProperties({
    bindHost: '0.0.0.0',
    advertisedHost: host,
    port,
    advertisedPort,
    controllerPort: 29_093,
    dataFolder: '/tmp/kafka-data',
  });
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      `KAFKA_${name.toUpperCase().replaceAll('.', '_')}`,
      value,
    ]),
  );
}

async function answerOf(
  client: Promise<ContainerRuntimeClient>,
): Promise<ContainerRuntimeClient | undefined> {
  const silence = new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), engineTimeoutMs).unref();
  });
  // Whatever it says: without an answer there is no engine to start anything with.
  return Promise.race([client.catch(() => undefined), silence]);
}
