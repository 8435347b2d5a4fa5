import { isIP } from 'node:net';
import { resolve } from 'node:path';

import { Secret } from '@trailpush/core';
import { z } from 'zod';

/**
 * How the text of each environment variable becomes a value. Every error text completes the sentence
 * "<NAME> ..." and says what would be accepted, with an example.
 */

function wholeNumber(min: number, max: number, example: number) {
  const error = `must be a whole number from ${min} to ${max} (for example ${example})`;
  return z
    .string()
    .regex(/^\d{1,15}$/, { error })
    .transform(Number)
    .pipe(z.number().min(min, { error }).max(max, { error }));
}

function url(protocols: readonly string[], example: string) {
  return z.string().refine((text) => protocols.includes(URL.parse(text)?.protocol ?? ''), {
    error: `must be a URL such as ${example}`,
  });
}

const flagText = z.stringbool({
  truthy: ['1', 'true', 'yes', 'on'],
  falsy: ['0', 'false', 'no', 'off'],
  error: 'must be 1 or 0',
});
const flag = flagText.prefault('0');

const asSecret = (text: string) => new Secret(text);
const asList = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

function isCidr(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}

const isBroker = (text: string) => /^(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}$/.test(text);

/** 32 bytes in base64, as `openssl rand -base64 32` prints them. */
export const secretKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9+/]{43}=$/, {
    error: 'must be 32 random bytes in base64 (make one with: openssl rand -base64 32)',
  })
  .transform(asSecret);

/** Printable ASCII without spaces, as it must fit an `Authorization` header. */
export const adminTokenSchema = z
  .string()
  .regex(/^[!-~]{8,512}$/, {
    error: 'must be 8 to 512 printable ASCII characters without spaces',
  })
  .transform(asSecret);

const MIB = 1024 * 1024;

export const settingsSchema = z.object({
  PORT: wholeNumber(0, 65_535, 8787).prefault('8787'),
  TRAILPUSH_HOST: z
    .string()
    .regex(/^[\w.:-]+$/, {
      error: 'must be an address or host name to listen on (for example 0.0.0.0)',
    })
    .default('127.0.0.1'),
  TRAILPUSH_DATA: z
    .string()
    .prefault('./data')
    .transform((text) => resolve(text)),
  KAFKA_BROKERS: z
    .string()
    .transform(asList)
    .refine((brokers) => brokers.length > 0 && brokers.every(isBroker), {
      error: 'must be a comma-separated list of host:port (for example kafka-1:9092,kafka-2:9092)',
    })
    .optional(),
  KAFKA_SSL: flag,
  KAFKA_SASL_MECHANISM: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'], {
      error: 'must be plain, scram-sha-256 or scram-sha-512',
    })
    .optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().transform(asSecret).optional(),
  KAFKA_TOPIC: z
    .string()
    .regex(/^(?!\.{1,2}$)[\w.-]{1,249}$/, {
      error:
        'must be a topic name: 1 to 249 letters, digits, dots, underscores or hyphens (for example audit.events)',
    })
    .default('audit.events'),
  SCHEMA_REGISTRY_URL: url(['http:', 'https:'], 'https://registry.example.com:8081')
    .transform(asSecret)
    .optional(),
  DATABASE_URL: url(['postgres:', 'postgresql:'], 'postgres://user:password@host:5432/trailpush')
    .transform(asSecret)
    .optional(),
  TRAILPUSH_AUDIT_REPLICA_URL: url(
    ['postgres:', 'postgresql:'],
    'postgres://user:password@replica:5432/trailpush',
  )
    .transform(asSecret)
    .optional(),
  TRAILPUSH_CLICKHOUSE_URL: url(['http:', 'https:'], 'https://user:password@host:8443/trailpush')
    .transform(asSecret)
    .optional(),
  TRAILPUSH_ADMIN_TOKEN: adminTokenSchema.optional(),
  TRAILPUSH_SECRET_KEY: secretKeySchema.optional(),
  TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS: z
    .string()
    .prefault('')
    .transform(asList)
    .refine((cidrs) => cidrs.every(isCidr), {
      error: 'must be a comma-separated list of address ranges (for example 10.0.0.0/8,fd00::/8)',
    }),
  TRAILPUSH_FILE_ROOT: z
    .string()
    .transform((text) => resolve(text))
    .optional(),
  TRAILPUSH_GOOGLE_KEY_FILE: z
    .string()
    .transform((text) => resolve(text))
    .optional(),
  TRAILPUSH_MEMORY_BUDGET_BYTES: wholeNumber(16 * MIB, 2 ** 40, 128 * MIB).prefault(`${128 * MIB}`),
  TRAILPUSH_MAX_RECORD_BYTES: wholeNumber(1024, 512 * MIB, 8 * MIB).prefault(`${8 * MIB}`),
  TRAILPUSH_RELAX_LIMITS: flag,
  TRAILPUSH_REQUIRE_OWNERSHIP: flagText.prefault('1'),
  TRAILPUSH_AUDIT_READS: flag,
  TRAILPUSH_API_RATE_LIMIT: wholeNumber(0, 10_000_000, 1200).prefault('1200'),
  TRAILPUSH_PRODUCT_CATEGORIES: z
    .string()
    .transform((text) => resolve(text))
    .optional(),
  TRAILPUSH_AUDIT_RETENTION_MONTHS: wholeNumber(0, 1200, 18).prefault('18'),
  TRAILPUSH_LEDGER_DAYS: wholeNumber(1, 36_500, 90).prefault('90'),
  TRAILPUSH_DIGEST_SECONDS: wholeNumber(0, 86_400, 3600).prefault('3600'),
  TRAILPUSH_GZIP_LEVEL: wholeNumber(1, 9, 6).prefault('6'),
  TRAILPUSH_DISABLE_AFTER_HOURS: wholeNumber(0, 8760, 24).prefault('24'),
  TRAILPUSH_NOTIFY_WEBHOOK: url(['http:', 'https:'], 'https://chat.example.com/hooks/T0')
    .transform(asSecret)
    .optional(),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'], {
      error: 'must be debug, info, warn, error or silent',
    })
    .default('info'),
});

export type Settings = z.infer<typeof settingsSchema>;
export type SettingName = keyof Settings;

/** Their values are not repeated in error messages. */
export const SECRET_SETTINGS: ReadonlySet<string> = new Set<SettingName>([
  'KAFKA_SASL_PASSWORD',
  'SCHEMA_REGISTRY_URL',
  'DATABASE_URL',
  'TRAILPUSH_AUDIT_REPLICA_URL',
  'TRAILPUSH_CLICKHOUSE_URL',
  'TRAILPUSH_ADMIN_TOKEN',
  'TRAILPUSH_SECRET_KEY',
  'TRAILPUSH_NOTIFY_WEBHOOK',
]);
