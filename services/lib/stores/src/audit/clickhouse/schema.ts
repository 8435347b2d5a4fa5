import type { Month } from '../months.ts';

/** What the SQL database knows of events that lie in ClickHouse. */
export interface ClickhouseTables {
  audit_clickhouse: StateTable;
  audit_partitions: PartitionsTable;
  audit_removed: RemovedTable;
  audit_given_up: GivenUpTable;
}

/** One row. */
export interface StateTable {
  /** Names the audit store in ClickHouse; null while events are in this database. */
  store: string | null;
  /** Events up to this sequence can be seen. */
  last_sequence: number;
  next_sequence: number;
  next_partition: number;
  /** Sequences that somebody is storing under; null when nobody is. */
  open_first: number | null;
  open_last: number | null;
  /** Grows whenever events are removed, so that they cannot be seen any more. */
  removals: number;
  /** Grows before rows of removed events are deleted. */
  clearings: number;
}

/** Partitions whose events can be seen, one a month. */
interface PartitionsTable {
  number: number;
  month: Month;
  /** Of the newest event in it. */
  last_sequence: number;
}

/** Events of a tenant that were removed: those of the partition up to a sequence. */
interface RemovedTable {
  tenant: number;
  partition: number;
  up_to: number;
}

/** Sequences under which storing was not confirmed: what lies there is no event. */
interface GivenUpTable {
  first: number;
  last: number;
  given_up_at_ms: number;
}
