import { logLevel } from 'kafkajs';
import type { logCreator } from 'kafkajs';
import type { Logger } from '@trailpush/core';

/**
 * Brings what kafkajs logs to our logger, at debug: it calls every refused connection an error, many
 * times a second while a broker is down. What a person should know is told by `KafkaHealth`.
 */
export function kafkajsLogCreator(logger: Logger): logCreator {
  return () =>
    ({ namespace, log: { message, broker, error } }) =>
      logger.debug({ namespace, broker: broker as unknown, error: error as unknown }, message);
}

/** Below this kafkajs does not even format. */
export const kafkajsLogLevel = logLevel.INFO;
