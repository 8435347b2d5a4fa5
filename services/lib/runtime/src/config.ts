import { ConfigError, type Secret } from '@trailpush/core';

import { SECRET_SETTINGS, settingsSchema, type SettingName, type Settings } from './settings.ts';

export interface KafkaConfig {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  readonly ssl: boolean;
  readonly sasl:
    | {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
        readonly username: string;
        readonly password: Secret;
      }
    | undefined;
}

/** Everything that an operator can set. Frozen; read once when the program starts. */
export interface Config {
  readonly host: string;
  /** 0 lets the system choose a free port. */
  readonly port: number;
  /** Absolute path. */
  readonly dataFolder: string;
  /** Undefined: the embedded log in the data folder. */
  readonly kafka: KafkaConfig | undefined;
  readonly topic: string;
  readonly schemaRegistryUrl: Secret | undefined;
  /** Undefined: SQLite in the data folder. */
  readonly databaseUrl: Secret | undefined;
  readonly auditReplicaUrl: Secret | undefined;
  /** Where the events of the audit store are; undefined: beside everything else. */
  readonly clickhouseUrl: Secret | undefined;
  /** Undefined here and below: see `secretsInDataFolder`. */
  readonly adminToken: Secret | undefined;
  /** 32 bytes in base64. */
  readonly secretKey: Secret | undefined;
  /** Address ranges (`10.0.0.0/8`) or single addresses that destinations may reach besides public ones. */
  readonly allowPrivateDestinations: readonly string[];
  /** Absolute path; undefined: no file destinations. */
  readonly fileRoot: string | undefined;
  /** Absolute path of a service account's JSON key; undefined: `gs://` needs credentials of its own. */
  readonly googleKeyFile: string | undefined;
  readonly memoryBudgetBytes: number;
  readonly maxRecordBytes: number;
  /** Whole months after that of an event, for accounts without a rule of their own; 0: for ever. */
  readonly auditRetentionMonths: number;
  /** Older entries of the object ledger are removed. */
  readonly ledgerMaxAgeMs: number;
  /** How often each job gets a digest of what was delivered; 0: never. */
  readonly digestIntervalMs: number;
  readonly relaxLimits: boolean;
  /** Whether customers must prove that they can read where Logpush asks for it. */
  readonly requireOwnership: boolean;
  /** An audit event for every read of an audit log. */
  readonly auditReads: boolean;
  /** Requests of one token in five minutes; 0 for no limit. */
  readonly apiRateLimit: number;
  /** Absolute path of a JSON file; undefined: the categories that are built in. */
  readonly productCategoriesFile: string | undefined;
  /** 1 to 9. */
  readonly gzipLevel: number;
  /** Jobs whose attempts have all failed for so long are disabled; 0: never. */
  readonly disableAfterMs: number;
  /** Where operators are told of what they must know; undefined: in the log alone. */
  readonly notifyWebhook: Secret | undefined;
  readonly logLevel: Settings['LOG_LEVEL'];
}

const FLAGS = {
  '--port': 'PORT',
  '--host': 'TRAILPUSH_HOST',
  '--data': 'TRAILPUSH_DATA',
} as const satisfies Record<string, SettingName>;

/** Command line options that win over the environment, by their name as typed. */
export type ConfigFlags = Partial<Record<keyof typeof FLAGS, string>>;

/**
 * Reads and checks the settings; an empty variable counts as unset.
 * @throws ConfigError with one line that names the setting, what is wrong and what is accepted.
 */
export function loadConfig(
  environment: NodeJS.ProcessEnv = process.env,
  flags: ConfigFlags = {},
): Config {
  rejectUnknownNames(environment);
  const given: Record<string, string> = {};
  const shownNames = new Map<string, string>();
  for (const name of Object.keys(settingsSchema.shape)) {
    const text = environment[name];
    if (text !== undefined && text !== '') given[name] = text;
  }
  for (const [flag, name] of Object.entries(FLAGS)) {
    const text = flags[flag as keyof typeof FLAGS];
    if (text === undefined) continue;
    given[name] = text;
    shownNames.set(name, flag);
  }
  const parsed = settingsSchema.safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(describeIssues(parsed.error.issues, given, shownNames));
  }
  return toConfig(parsed.data);
}

function toConfig(settings: Settings): Config {
  const memoryBudgetBytes = settings.TRAILPUSH_MEMORY_BUDGET_BYTES;
  const maxRecordBytes = settings.TRAILPUSH_MAX_RECORD_BYTES;
  if (maxRecordBytes > memoryBudgetBytes / 2) {
    throw new ConfigError(
      `TRAILPUSH_MAX_RECORD_BYTES (${maxRecordBytes}) must be at most half of ` +
        `TRAILPUSH_MEMORY_BUDGET_BYTES (${memoryBudgetBytes}): lower the first or raise the second`,
    );
  }
  if (settings.TRAILPUSH_AUDIT_REPLICA_URL && settings.TRAILPUSH_CLICKHOUSE_URL) {
    throw new ConfigError(
      'TRAILPUSH_AUDIT_REPLICA_URL is of no use with TRAILPUSH_CLICKHOUSE_URL, which answers what is asked about audit logs: unset one of them',
    );
  }
  if (settings.TRAILPUSH_AUDIT_REPLICA_URL && !settings.DATABASE_URL) {
    throw new ConfigError(
      'TRAILPUSH_AUDIT_REPLICA_URL names a replica of the database of DATABASE_URL, which is not set: set that, too',
    );
  }
  return Object.freeze({
    host: settings.TRAILPUSH_HOST,
    port: settings.PORT,
    dataFolder: settings.TRAILPUSH_DATA,
    kafka: toKafkaConfig(settings),
    topic: settings.KAFKA_TOPIC,
    schemaRegistryUrl: settings.SCHEMA_REGISTRY_URL,
    databaseUrl: settings.DATABASE_URL,
    auditReplicaUrl: settings.TRAILPUSH_AUDIT_REPLICA_URL,
    clickhouseUrl: settings.TRAILPUSH_CLICKHOUSE_URL,
    adminToken: settings.TRAILPUSH_ADMIN_TOKEN,
    secretKey: settings.TRAILPUSH_SECRET_KEY,
    allowPrivateDestinations: Object.freeze(settings.TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS),
    fileRoot: settings.TRAILPUSH_FILE_ROOT,
    googleKeyFile: settings.TRAILPUSH_GOOGLE_KEY_FILE,
    memoryBudgetBytes,
    maxRecordBytes,
    auditRetentionMonths: settings.TRAILPUSH_AUDIT_RETENTION_MONTHS,
    ledgerMaxAgeMs: settings.TRAILPUSH_LEDGER_DAYS * 86_400_000,
    digestIntervalMs: settings.TRAILPUSH_DIGEST_SECONDS * 1000,
    relaxLimits: settings.TRAILPUSH_RELAX_LIMITS,
    requireOwnership: settings.TRAILPUSH_REQUIRE_OWNERSHIP,
    auditReads: settings.TRAILPUSH_AUDIT_READS,
    apiRateLimit: settings.TRAILPUSH_API_RATE_LIMIT,
    productCategoriesFile: settings.TRAILPUSH_PRODUCT_CATEGORIES,
    gzipLevel: settings.TRAILPUSH_GZIP_LEVEL,
    disableAfterMs: settings.TRAILPUSH_DISABLE_AFTER_HOURS * 3_600_000,
    notifyWebhook: settings.TRAILPUSH_NOTIFY_WEBHOOK,
    logLevel: settings.LOG_LEVEL,
  });
}

function toKafkaConfig(settings: Settings): KafkaConfig | undefined {
  const sasl = {
    KAFKA_SASL_MECHANISM: settings.KAFKA_SASL_MECHANISM,
    KAFKA_SASL_USERNAME: settings.KAFKA_SASL_USERNAME,
    KAFKA_SASL_PASSWORD: settings.KAFKA_SASL_PASSWORD,
  };
  const missing = Object.entries(sasl).filter(([, value]) => value === undefined);
  const present = Object.entries(sasl).filter(([, value]) => value !== undefined);
  if (settings.KAFKA_BROKERS === undefined) {
    const orphan = settings.KAFKA_SSL ? 'KAFKA_SSL' : present[0]?.[0];
    if (orphan === undefined) return undefined;
    throw new ConfigError(
      `${orphan} is set but KAFKA_BROKERS is not: set KAFKA_BROKERS, or remove ${orphan} to use the embedded log`,
    );
  }
  if (present.length > 0 && missing[0]) {
    throw new ConfigError(
      `${missing[0][0]} is missing: set all of ${Object.keys(sasl).join(', ')}, or none of them`,
    );
  }
  const {
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD: password,
  } = sasl;
  const complete = mechanism !== undefined && username !== undefined && password !== undefined;
  return Object.freeze({
    brokers: Object.freeze(settings.KAFKA_BROKERS),
    ssl: settings.KAFKA_SSL,
    sasl: complete ? Object.freeze({ mechanism, username, password }) : undefined,
  });
}

function describeIssues(
  issues: readonly { path: readonly PropertyKey[]; message: string }[],
  given: Readonly<Record<string, string>>,
  shownNames: ReadonlyMap<string, string>,
): string {
  const [first, ...others] = [...new Map(issues.map((issue) => [String(issue.path[0]), issue]))];
  if (first === undefined) throw new Error('validation failed without an issue');
  const [name, issue] = first;
  const shown = (setting: string) => shownNames.get(setting) ?? setting;
  const value = SECRET_SETTINGS.has(name) ? '' : `, but is ${JSON.stringify(given[name])}`;
  const line = `${shown(name)} ${issue.message}${value}`;
  if (others.length === 0) return line;
  return `${line} (also wrong: ${others.map(([other]) => shown(other)).join(', ')})`;
}

/** A misspelt name would silently leave its default in force, which for a limit or an address range matters. */
function rejectUnknownNames(environment: NodeJS.ProcessEnv): void {
  const known = Object.keys(settingsSchema.shape);
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('TRAILPUSH_') || known.includes(name)) continue;
    const nearest = known
      .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
      .sort((a, b) => a.distance - b.distance)[0];
    const hint =
      nearest !== undefined && nearest.distance <= 6
        ? `did you mean ${nearest.candidate}?`
        : `the settings of that prefix are ${known.filter((each) => each.startsWith('TRAILPUSH_')).join(', ')}`;
    throw new ConfigError(`${name} is not a setting: correct or remove it; ${hint}`);
  }
}

/** Levenshtein. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
