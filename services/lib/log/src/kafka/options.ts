import type { Clock, Logger, Secret } from '@trailpush/core';

/** How to reach the brokers. */
export interface KafkaAddress {
  /** `host:port`, at least one; the others are learned from it. */
  readonly brokers: readonly string[];
  /** What this client is called in the logs of the brokers. */
  readonly clientId: string;
  readonly ssl: boolean;
  readonly sasl:
    | {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
        readonly username: string;
        readonly password: Secret;
      }
    | undefined;
}

export interface KafkaLogOptions extends KafkaAddress {
  readonly topic: string;
  /** The largest key and value together. */
  readonly maxRecordBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** As kafkajs wants it. */
export function saslOptions(sasl: NonNullable<KafkaAddress['sasl']>): {
  mechanism: 'plain';
  username: string;
  password: string;
} {
  // Its type is a union over the mechanisms that ours does not narrow to; the shapes are the same.
  const mechanism = sasl.mechanism as 'plain';
  return { mechanism, username: sasl.username, password: sasl.password.reveal() };
}
