import type { Generated } from 'kysely';

import type { DigestTables } from './digest-schema.ts';

/**
 * The tables as both databases have them. Times are milliseconds since the epoch; truth values are
 * 0 and 1, because SQLite knows no others.
 */
export interface Tables extends DigestTables {
  topics: TopicsTable;
  partitions: PartitionsTable;
  jobs: JobsTable;
  job_revisions: JobRevisionsTable;
  job_deletions: JobDeletionsTable;
  cursors: CursorsTable;
  objects: ObjectsTable;
  gaps: GapsTable;
  dead_letters: DeadLettersTable;
  attempts: AttemptsTable;
  notices: NoticesTable;
  replays: ReplaysTable;
  replay_ranges: ReplayRangesTable;
  counters: CountersTable;
  settings: SettingsTable;
  tokens: TokensTable;
  outbox: OutboxTable;
  spent_challenges: SpentChallengesTable;
  saved_queries: SavedQueriesTable;
}

interface TopicsTable {
  topic: string;
  incarnation: number;
}

interface PartitionsTable {
  topic: string;
  partition: number;
  epoch: number;
  owner: string;
  live_from: number;
  last_offset: number | null;
  last_timestamp_ms: number | null;
}

interface JobsTable {
  id: Generated<number>;
  account_id: string;
  /** The current row of `job_revisions`. */
  revision: number;
  content_revision: number;
  ever_enabled: number;
  last_complete_ms: number | null;
  last_error_ms: number | null;
  error_message: string | null;
  /** When a destination last confirmed something, on the wall clock. */
  last_success_ms: Generated<number | null>;
  /** The first failed attempt since. */
  failing_since_ms: Generated<number | null>;
  created_at_ms: number;
  updated_at_ms: number;
  /** Set for a replay that runs: the job that it repeats. */
  replay_of: number | null;
}

/** Immutable, until the job is deleted. */
interface JobRevisionsTable {
  job_id: number;
  revision: number;
  content_revision: number;
  name: string;
  dataset: string;
  enabled: number;
  /** Sealed, see SecretBox. */
  destination_conf: string;
  filter: string;
  output_options: string | null;
  max_upload_bytes: number;
  max_upload_records: number;
  max_upload_interval_seconds: number;
  frequency: string;
  kind: string;
  logpull_options: string | null;
  created_at_ms: number;
}

interface JobDeletionsTable {
  job_id: number;
  account_id: string;
  revision: number;
  dropped_plans: number;
  deleted_at_ms: number;
}

interface CursorsTable {
  topic: string;
  partition: number;
  job_id: number;
  cursor: number;
  detached: number;
}

/**
 * Plans and the ledger in one table, so that (location, key) is unique over both and a confirmed plan
 * moves by one update. A row is an open plan while `ledger_at_ms` is null.
 */
interface ObjectsTable {
  id: Generated<number>;
  topic: string;
  partition: number;
  job_id: number;
  first: number;
  last: number;
  content_revision: number;
  location: string;
  key: string;
  /** SHA-256 over location and key: they may be longer than an index entry can be. Unique. */
  name_hash: Uint8Array;
  idempotency_key: string;
  payload_hash: string;
  encoder_version: number;
  records: number;
  payload_bytes: number;
  min_timestamp_ms: number;
  max_timestamp_ms: number;
  dead_letter_id: number;
  /** When the destination confirmed it, perhaps before an earlier plan. */
  confirmed_at_ms: number | null;
  /** When everything before it was confirmed as well. */
  ledger_at_ms: number | null;
  /** Number of the digest that names it, in the chain of its job. */
  digest: Generated<number | null>;
}

interface GapsTable {
  id: Generated<number>;
  job_id: number;
  topic: string;
  partition: number;
  from_offset: number;
  to_offset: number;
  reason: string;
  possibly_delivered: number;
  seen_at_ms: number;
  /** As of objects. */
  digest: Generated<number | null>;
}

interface AttemptsTable {
  id: Generated<number>;
  job_id: number;
  at_ms: number;
  took_ms: number;
  verdict: string;
  code: number | null;
  message: string | null;
  records: number;
  wire_bytes: number;
  partition: number;
  first_offset: number;
  last_offset: number;
}

/** Kept for a while after they were sent, so that there is one a day. */
interface NoticesTable {
  id: Generated<number>;
  kind: string;
  /** 0 for records that are bad for everybody. */
  job_id: number;
  account_id: string | null;
  /** Days since the epoch. */
  day: number;
  message: string;
  created_at_ms: number;
  tries: number;
  /** Null when it was sent or given up. */
  due_at_ms: number | null;
}

interface DeadLettersTable {
  id: number;
  topic: string;
  /** Offsets mean other records after a topic was made anew. */
  incarnation: number;
  partition: number;
  offset: number;
  job_id: number | null;
  account_id: string | null;
  reason: string;
  message: string;
  timestamp_ms: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  seen_at_ms: number;
  resent_at_ms: number | null;
}

/** Its id is that of its row in `jobs`, which is there while it runs. */
interface ReplaysTable {
  id: number;
  job_id: number;
  account_id: string;
  topic: string;
  location: string;
  max_records_per_second: number | null;
  created_at_ms: number;
  /** The rest is null while it runs: then it is counted from what else is stored. */
  ended_at_ms: number | null;
  outcome: 'completed' | 'cancelled' | null;
  records: number | null;
  objects: number | null;
  payload_bytes: number | null;
}

interface ReplayRangesTable {
  replay_id: number;
  partition: number;
  from_offset: number;
  to_offset: number;
  /** How far it came; null while it runs. */
  cursor: number | null;
}

/** Raised inside transactions, so that their order is the order of the commits. */
interface CountersTable {
  name: 'job_changes' | 'dead_letters' | 'saved_queries';
  value: number;
}

interface SettingsTable {
  name: 'key_check';
  value: string;
}

interface TokensTable {
  id: string;
  hash: Uint8Array;
  name: string;
  email: string | null;
  /** Lists are JSON. Null: all accounts. */
  account_ids: string | null;
  organization_ids: string;
  permissions: string;
  allowed_addresses: string;
  not_before_ms: number | null;
  expires_at_ms: number | null;
  created_at_ms: number;
  revoked_at_ms: number | null;
}

/** Audit events about what was changed here, until the log has them. */
export interface OutboxTable {
  id: Generated<number>;
  /** In the shape of the audit API's item. */
  line: string;
  created_at_ms: number;
  /** Until then another process is sending it. */
  leased_until_ms: number;
}

/** Kept until they would have expired anyway. */
interface SpentChallengesTable {
  id: string;
  expires_at_ms: number;
}

interface SavedQueriesTable {
  account_id: string;
  id: string;
  name: string;
  query: string;
  created_by: string;
  created_at_ms: number;
  updated_at_ms: number;
}
