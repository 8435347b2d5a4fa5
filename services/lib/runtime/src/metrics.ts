import { monitorEventLoopDelay } from 'node:perf_hooks';

import { Counter, Gauge, Histogram, Registry } from 'prom-client';

const JOB = ['job_id', 'destination_kind'] as const;

/** Per job. Label values are bounded: job ids, kinds of destinations and closed sets of reasons. */
function createJobMetrics(registry: Registry) {
  const registers = [registry];
  return {
    oldestUndeliveredSeconds: new Gauge({
      name: 'trailpush_delivery_oldest_undelivered_seconds',
      help: 'Age of the oldest record that the job still owes; 0 when it owes none.',
      labelNames: JOB,
      registers,
    }),
    lagEvents: new Gauge({
      name: 'trailpush_delivery_lag_events',
      help: 'Log records between the cursors of the job and the end of the log.',
      labelNames: JOB,
      registers,
    }),
    batches: new Counter({
      name: 'trailpush_batches_total',
      help: 'Closed batches by result (delivered, dropped) and by the limit that closed them.',
      labelNames: [...JOB, 'result', 'reason'],
      registers,
    }),
    events: new Counter({
      name: 'trailpush_events_total',
      help: 'Events by result (delivered, filtered, dead_letter).',
      labelNames: [...JOB, 'result'],
      registers,
    }),
    bytes: new Counter({
      name: 'trailpush_bytes_total',
      help: 'Delivered bytes, as lines (raw) and as sent (wire).',
      labelNames: [...JOB, 'kind'],
      registers,
    }),
    attempts: new Counter({
      name: 'trailpush_attempts_total',
      help: 'Delivery attempts by verdict.',
      labelNames: [...JOB, 'verdict'],
      registers,
    }),
    uploadDurationSeconds: new Histogram({
      name: 'trailpush_upload_duration_seconds',
      help: 'Duration of one delivery attempt.',
      labelNames: ['destination_kind'],
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 120],
      registers,
    }),
    state: new Gauge({
      name: 'trailpush_job_state',
      help: '1 for the state that the job is in.',
      labelNames: [...JOB, 'state'],
      registers,
    }),
    lastSuccessTimestampSeconds: new Gauge({
      name: 'trailpush_last_success_timestamp_seconds',
      help: 'When the destination last confirmed an object, seconds since the epoch.',
      labelNames: JOB,
      registers,
    }),
    gapEvents: new Counter({
      name: 'trailpush_gap_events_total',
      help: 'Log records that were lost to retention before the job had read them.',
      labelNames: JOB,
      registers,
    }),
  };
}

/** Per process and per partition. */
function createReadingMetrics(registry: Registry) {
  const gauge = <T extends string = never>(name: string, help: string, labelNames: T[] = []) =>
    new Gauge<T>({ name: `trailpush_${name}`, help, labelNames, registers: [registry] });
  const counter = <T extends string = never>(name: string, help: string, labelNames: T[] = []) =>
    new Counter<T>({ name: `trailpush_${name}`, help, labelNames, registers: [registry] });
  return {
    partitionLagRecords: gauge(
      'partition_lag_records',
      'Records between the live lane and the end of the partition.',
      ['partition'],
    ),
    epoch: gauge('epoch', 'Ownership number of the partition, while this process owns it.', [
      'partition',
    ]),
    inflightBytes: gauge('inflight_bytes', 'Bytes of open batches and of bodies being sent.'),
    pausedPartitions: gauge('paused_partitions', 'Partitions that wait for memory.'),
    attachedJobs: gauge('attached_jobs', 'Jobs served by the live lane.'),
    detachedJobs: gauge('detached_jobs', 'Jobs served by the catch-up lane.'),
    rebalances: counter('rebalances_total', 'Joins of the consumer group.'),
    configAgeSeconds: gauge('config_age_seconds', 'Time since the jobs were last read.'),
    configJobCount: gauge('config_job_count', 'Jobs known to this process.'),
    nullValues: counter('null_values_total', 'Records without a value, which are passed over.'),
    deadLetters: counter('dead_letters_total', 'Records set aside, by reason.', ['reason']),
  };
}

/** Of the indexer. */
function createIndexingMetrics(registry: Registry) {
  const registers = [registry];
  return {
    events: new Counter({
      name: 'trailpush_indexer_events_total',
      help: 'Records read by the indexer by result (stored, repeated, null_value, expired).',
      labelNames: ['result'] as const,
      registers,
    }),
    deadLetters: new Counter({
      name: 'trailpush_indexer_dead_letters_total',
      help: 'Records that could not be indexed, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    lagRecords: new Gauge({
      name: 'trailpush_indexer_lag_records',
      help: 'Records between the position of the indexer and the end of the partition.',
      labelNames: ['partition'] as const,
      registers,
    }),
    gapEvents: new Counter({
      name: 'trailpush_indexer_gap_events_total',
      help: 'Log records that were lost to retention before they were indexed.',
      registers,
    }),
    expiredEvents: new Counter({
      name: 'trailpush_audit_expired_events_total',
      help: 'Events that retention has removed from the audit store.',
      registers,
    }),
  };
}

function createServingMetrics(registry: Registry) {
  const registers = [registry];
  return {
    ingestLines: new Counter({
      name: 'trailpush_ingest_lines_total',
      help: 'Lines sent to the ingest endpoint by result (accepted, rejected).',
      labelNames: ['result'] as const,
      registers,
    }),
    outboxEvents: new Gauge({
      name: 'trailpush_outbox_events',
      help: 'Audit events about changed jobs that the log does not have yet.',
      registers,
    }),
    auditOutboxEvents: new Gauge({
      name: 'trailpush_audit_outbox_events',
      help: 'Audit events about retention that the log does not have yet.',
      registers,
    }),
    httpRequests: new Counter({
      name: 'trailpush_http_requests_total',
      help: 'HTTP answers by route pattern and status.',
      labelNames: ['route', 'status'] as const,
      registers,
    }),
  };
}

function createDigestMetrics(registry: Registry) {
  return {
    made: new Counter({
      name: 'trailpush_digests_total',
      help: 'Digests of delivered objects by result (written, kept: in the store alone, failed: to be tried again).',
      labelNames: ['result'] as const,
      registers: [registry],
    }),
  };
}

/** Called once a process: starts measuring the event loop. */
function collectProcessMetrics(registry: Registry): void {
  const eventLoop = monitorEventLoopDelay({ resolution: 20 });
  eventLoop.enable();
  new Gauge({
    name: 'trailpush_event_loop_delay_seconds',
    help: 'Longest delay of the event loop since the last scrape.',
    registers: [registry],
    collect() {
      this.set(eventLoop.max / 1e9);
      eventLoop.reset();
    },
  });
  new Gauge({
    name: 'trailpush_resident_memory_bytes',
    help: 'Resident memory of the process.',
    registers: [registry],
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'trailpush_cpu_seconds',
    help: 'CPU time used by the process since it started.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage();
      this.set((user + system) / 1e6);
    },
  });
}

/** All metrics of the program, on one registry; see `/metrics` for their help texts. */
export function createMetrics(registry: Registry = new Registry()) {
  collectProcessMetrics(registry);
  return {
    registry,
    job: createJobMetrics(registry),
    reading: createReadingMetrics(registry),
    indexing: createIndexingMetrics(registry),
    serving: createServingMetrics(registry),
    digests: createDigestMetrics(registry),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Takes a deleted job out of the answer, so that its last values do not raise alarms for ever. */
export async function forgetJob(metrics: Metrics, jobId: number): Promise<void> {
  for (const metric of Object.values(metrics.job)) {
    const { values } = await metric.get();
    for (const { labels } of values) {
      if ('job_id' in labels && String(labels.job_id) === String(jobId)) {
        metric.remove(labels as never);
      }
    }
  }
}
