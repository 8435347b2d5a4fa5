import { Kafka, logLevel } from 'kafkajs';
// Takes the polling out of kafkajs, and with it a warning that Node prints.
import '@trailpush/log';

/**
 * Waits until the brokers answer as a cluster.
 * @throws Error naming them and the last failure after `timeoutMs`.
 */
export async function checkBrokersReady(
  brokers: string[],
  timeoutMs: number,
  isAlive: () => boolean = () => true,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const failure = await tryBrokers(brokers);
    if (failure === undefined) {
      return;
    }
    if (!isAlive() || performance.now() > deadlineMs) {
      throw new Error(`Kafka at ${brokers.join(',')} does not answer: ${failure}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function tryBrokers(brokers: string[]): Promise<string | undefined> {
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 0 } }).admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    return cluster.brokers.length > 0 ? undefined : 'no broker has registered yet';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await admin.disconnect();
  }
}
