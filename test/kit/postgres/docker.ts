import { randomBytes } from 'node:crypto';

import type { ContainerRuntimeClient } from 'testcontainers';

import type { StartedPostgres } from '../postgres.ts';
import { freePort, waitUntilReady } from './ready.ts';

const IMAGE = 'postgres:17-alpine';
const ENGINE_TIMEOUT_MS = 5_000;
const START_TIMEOUT_MS = 300_000;

/** A server in a container, on a port of the host that outlives its restarts. */
export async function startDockerPostgres(
  settings: Readonly<Record<string, string>>,
): Promise<StartedPostgres> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers');
  const engine = await answerOf(getContainerRuntimeClient());
  if (engine === undefined) return { unavailable: 'no Docker engine' };
  const port = await freePort();
  const password = randomBytes(16).toString('hex');
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts({ container: 5432, host: port })
    .withEnvironment({ POSTGRES_PASSWORD: password })
    .withCommand([
      'postgres',
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ])
    .withWaitStrategy(Wait.forListeningPorts())
    .withStartupTimeout(START_TIMEOUT_MS)
    .start();
  const handle = engine.container.getById(container.getId());
  const url = `postgres://postgres:${password}@${engine.info.containerRuntime.host}:${port}/postgres`;
  const version = await waitUntilReady(url);
  return {
    url,
    description: `PostgreSQL ${version} (Docker)`,
    kill: async () => {
      await handle.kill();
    },
    restart: async () => {
      await handle.restart();
      await waitUntilReady(url);
    },
    stop: async () => {
      await container.stop({ timeout: 0 });
    },
  };
}

async function answerOf(
  client: Promise<ContainerRuntimeClient>,
): Promise<ContainerRuntimeClient | undefined> {
  const silence = new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), ENGINE_TIMEOUT_MS).unref();
  });
  // Whatever it says: without an answer there is no engine to start anything with.
  return Promise.race([client.catch(() => undefined), silence]);
}
