import { resolve } from 'node:path';
import { inspect } from 'node:util';

import { ConfigError } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { loadConfig } from './config.ts';

function failure(environment: NodeJS.ProcessEnv, flags = {}): string {
  try {
    loadConfig(environment, flags);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('the configuration was accepted');
}

describe('loadConfig', () => {
  it('needs nothing: an embedded installation on this machine alone', () => {
    expect(loadConfig({})).toEqual({
      host: '127.0.0.1',
      port: 8787,
      dataFolder: resolve('./data'),
      kafka: undefined,
      topic: 'audit.events',
      schemaRegistryUrl: undefined,
      databaseUrl: undefined,
      auditReplicaUrl: undefined,
      adminToken: undefined,
      secretKey: undefined,
      allowPrivateDestinations: [],
      fileRoot: undefined,
      googleKeyFile: undefined,
      memoryBudgetBytes: 134_217_728,
      maxRecordBytes: 8_388_608,
      digestIntervalMs: 3_600_000,
      ledgerMaxAgeMs: 90 * 86_400_000,
      relaxLimits: false,
      requireOwnership: true,
      auditReads: false,
      apiRateLimit: 1200,
      auditRetentionMonths: 18,
      gzipLevel: 6,
      disableAfterMs: 86_400_000,
      notifyWebhook: undefined,
      logLevel: 'info',
    });
  });

  it('reads every setting into its type', () => {
    const config = loadConfig({
      PORT: '9000',
      TRAILPUSH_HOST: '0.0.0.0',
      KAFKA_BROKERS: 'a:9092, [::1]:9093',
      KAFKA_SSL: 'true',
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: 'me',
      KAFKA_SASL_PASSWORD: 'p4ss',
      KAFKA_TOPIC: 'audit',
      SCHEMA_REGISTRY_URL: 'http://u:p@registry:8081',
      DATABASE_URL: 'postgres://u:p@db/trailpush',
      TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS: '10.0.0.0/8, fd00::/8,127.0.0.1',
      TRAILPUSH_RELAX_LIMITS: '1',
      TRAILPUSH_REQUIRE_OWNERSHIP: '0',
      TRAILPUSH_GZIP_LEVEL: '1',
      TRAILPUSH_AUDIT_READS: '1',
      LOG_LEVEL: 'debug',
    });
    expect(config).toMatchObject({ port: 9000, host: '0.0.0.0', topic: 'audit', gzipLevel: 1 });
    expect(config.kafka).toMatchObject({
      brokers: ['a:9092', '[::1]:9093'],
      ssl: true,
      sasl: { mechanism: 'scram-sha-512', username: 'me' },
    });
    expect(config.kafka?.sasl?.password.reveal()).toBe('p4ss');
    expect(config.databaseUrl?.reveal()).toBe('postgres://u:p@db/trailpush');
    expect(config.allowPrivateDestinations).toEqual(['10.0.0.0/8', 'fd00::/8', '127.0.0.1']);
    expect(config).toMatchObject({
      relaxLimits: true,
      requireOwnership: false,
      auditReads: true,
      logLevel: 'debug',
    });
  });

  it('prints no secret', () => {
    const config = loadConfig({
      TRAILPUSH_ADMIN_TOKEN: 'canary-token',
      DATABASE_URL: 'postgres://u:canary-password@db/x',
      TRAILPUSH_CLICKHOUSE_URL: 'https://u:canary-password@clickhouse:8443/x',
    });
    expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toContain('canary');
  });

  it('treats an empty variable as unset and lets command line options win', () => {
    expect(loadConfig({ PORT: '', KAFKA_BROKERS: '' })).toMatchObject({ port: 8787 });
    expect(loadConfig({ PORT: '1' }, { '--port': '2', '--data': '/d' })).toMatchObject({
      port: 2,
      dataFolder: '/d',
    });
  });

  it('is frozen', () => {
    expect(Object.isFrozen(loadConfig({}))).toBe(true);
    expect(Object.isFrozen(loadConfig({ KAFKA_BROKERS: 'a:1' }).kafka)).toBe(true);
  });

  it.each<[NodeJS.ProcessEnv, string]>([
    [
      { PORT: 'http' },
      'PORT must be a whole number from 0 to 65535 (for example 8787), but is "http"',
    ],
    [
      { PORT: '65536' },
      'PORT must be a whole number from 0 to 65535 (for example 8787), but is "65536"',
    ],
    [
      { KAFKA_BROKERS: 'kafka' },
      'KAFKA_BROKERS must be a comma-separated list of host:port (for example kafka-1:9092,kafka-2:9092), but is "kafka"',
    ],
    [{ KAFKA_BROKERS: 'a:1', KAFKA_SSL: 'maybe' }, 'KAFKA_SSL must be 1 or 0, but is "maybe"'],
    [
      { KAFKA_BROKERS: 'a:1', KAFKA_SASL_USERNAME: 'me' },
      'KAFKA_SASL_MECHANISM is missing: set all of KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD, or none of them',
    ],
    [
      { KAFKA_SSL: '1' },
      'KAFKA_SSL is set but KAFKA_BROKERS is not: set KAFKA_BROKERS, or remove KAFKA_SSL to use the embedded log',
    ],
    [
      { TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS: '10.0.0.0/33' },
      'TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS must be a comma-separated list of address ranges (for example 10.0.0.0/8,fd00::/8), but is "10.0.0.0/33"',
    ],
    [
      { TRAILPUSH_FILEROOT: '/x' },
      'TRAILPUSH_FILEROOT is not a setting: correct or remove it; did you mean TRAILPUSH_FILE_ROOT?',
    ],
    [
      { TRAILPUSH_MEMORY_BUDGET_BYTES: '16777216', TRAILPUSH_MAX_RECORD_BYTES: '16777216' },
      'TRAILPUSH_MAX_RECORD_BYTES (16777216) must be at most half of TRAILPUSH_MEMORY_BUDGET_BYTES (16777216): lower the first or raise the second',
    ],
    [
      { PORT: 'x', LOG_LEVEL: 'loud', TRAILPUSH_GZIP_LEVEL: '0' },
      'PORT must be a whole number from 0 to 65535 (for example 8787), but is "x" (also wrong: TRAILPUSH_GZIP_LEVEL, LOG_LEVEL)',
    ],
  ])('answers %j with one line that names the setting and the remedy', (environment, message) => {
    expect(failure(environment)).toBe(message);
  });

  it('names the option when the value came from the command line', () => {
    expect(failure({}, { '--port': 'x' })).toMatch(/^--port must be/);
  });

  it('refuses a replica beside ClickHouse, which would not be asked', () => {
    const settings = {
      DATABASE_URL: 'postgres://u:p@db/x',
      TRAILPUSH_AUDIT_REPLICA_URL: 'postgres://u:p@replica/x',
      TRAILPUSH_CLICKHOUSE_URL: 'https://u:p@clickhouse:8443/x',
    };
    expect(failure(settings)).toMatch(/^TRAILPUSH_AUDIT_REPLICA_URL is of no use/);
  });

  it('does not repeat a secret in an error', () => {
    for (const name of [
      ...['TRAILPUSH_SECRET_KEY', 'DATABASE_URL', 'SCHEMA_REGISTRY_URL'],
      'TRAILPUSH_CLICKHOUSE_URL',
    ]) {
      const message = failure({ [name]: 'canary' });
      expect(message).toContain(`${name} must be`);
      expect(message).not.toContain('canary');
    }
    expect(failure({ TRAILPUSH_ADMIN_TOKEN: 'canary with spaces' })).not.toContain('canary');
  });
});
