import { ClickHouseLogLevel, createClient, type ClickHouseSettings } from '@clickhouse/client';
import { ConfigError, QueryTooLargeError, StoreUnavailableError } from '@trailpush/core';

import type { BulkValue } from '../../bulk.ts';
import { clickhouseFault } from './faults.ts';
import { render, type Statement } from './statement.ts';

/** The server gives a statement up. */
const STATEMENT_SECONDS = 15;
/** We give up on a server that says nothing at all. */
const ANSWER_TIMEOUT_MS = 20_000;
const MAX_CONNECTIONS = 10;
/** Of one answer. A page of events has far less, unless one event is very large. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

const SETTINGS: ClickHouseSettings = {
  max_execution_time: STATEMENT_SECONDS,
  max_result_bytes: String(MAX_ANSWER_BYTES),
  output_format_json_quote_64bit_integers: 0,
  cancel_http_readonly_queries_on_client_close: 1,
  // What was confirmed is there, and for everybody who reads afterwards, on any replica.
  async_insert: 0,
  select_sequential_consistency: '1',
  // Rows are told apart by their sequence, and a batch may have events of many months.
  insert_deduplicate: 0,
  max_partitions_per_insert_block: '0',
  max_partition_size_to_drop: '0',
};

/** A ClickHouse database over HTTP, and whether it can be used at the moment. */
export class Clickhouse {
  readonly #client: ReturnType<typeof createClient>;
  readonly #place: string;
  #trouble: string | undefined;

  /** @throws ConfigError when `url` is malformed */
  constructor(url: string) {
    try {
      this.#client = createClient({
        url,
        application: 'trailpush',
        request_timeout: ANSWER_TIMEOUT_MS,
        max_open_connections: MAX_CONNECTIONS,
        use_multipart_params_auto: true,
        clickhouse_settings: SETTINGS,
        log: { level: ClickHouseLogLevel.OFF },
      });
      this.#place = `ClickHouse at ${new URL(url).host}`;
    } catch {
      // Without the cause, which may repeat the password.
      throw new ConfigError(
        'TRAILPUSH_CLICKHOUSE_URL is not an address of ClickHouse: it must read https://user:password@host:8443/database',
      );
    }
  }

  /** @throws QueryTooLargeError @throws StoreUnavailableError */
  read<Row>(statement: Statement, settings: ClickHouseSettings = {}): Promise<Row[]> {
    return this.#run('read', async () => {
      const result = await this.#client.query({
        ...render(statement),
        format: 'JSONEachRow',
        clickhouse_settings: settings,
      });
      return result.json<Row>();
    });
  }

  /** Whether it was stored is not known after an error. @throws StoreUnavailableError */
  insert(
    table: string,
    columns: readonly [string, ...string[]],
    rows: readonly (readonly BulkValue[])[],
  ): Promise<void> {
    return this.#run('write', async () => {
      const values = rows as BulkValue[][];
      const into = { table, columns: [...columns] as [string, ...string[]] };
      await this.#client.insert({ ...into, values, format: 'JSONCompactEachRow' });
    });
  }

  /** @throws StoreUnavailableError */
  change(statement: Statement, settings: ClickHouseSettings = {}): Promise<void> {
    return this.#run('write', async () => {
      await this.#client.command({ ...render(statement), clickhouse_settings: settings });
    });
  }

  /** Undefined while all is well, else one sentence. Any call that succeeds makes it well again. */
  health(): string | undefined {
    return this.#trouble;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #run<Result>(kind: 'read' | 'write', work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await work();
      this.#trouble = undefined;
      return result;
    } catch (error) {
      const fault = clickhouseFault(error, this.#place, kind);
      if (fault instanceof StoreUnavailableError) this.#trouble = fault.message;
      if (fault instanceof QueryTooLargeError) this.#trouble = undefined;
      throw fault;
    }
  }
}
