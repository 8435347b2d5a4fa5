/** `node test/kit/kafka/main.ts`: a Kafka for benchmarks and by hand. Prints its brokers, runs until interrupted. */
import { startKafka } from './index.ts';

const { kafka, reason } = await startKafka({ disposable: true });
if (kafka === undefined) {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}
process.stderr.write(`${kafka.description}; interrupt to stop\n`);
process.stdout.write(`${kafka.brokers.join(',')}\n`);
// Something must keep the process alive while it waits for a signal.
const keepAlive = setInterval(() => undefined, 60_000);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    clearInterval(keepAlive);
    void kafka.stop();
  });
}
