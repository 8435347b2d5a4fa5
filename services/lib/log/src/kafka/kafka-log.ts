import { LogClosedError, LogUnavailableError, messageOf } from '@trailpush/core';
import type {
  AppendRecord,
  Assignment,
  GroupMembership,
  PartitionBounds,
  PartitionReader,
  RecordLog,
} from '@trailpush/core';
import { Appender } from './appender.ts';
import { checkCodecs } from './codecs.ts';
import { Connections } from './connections.ts';
import { Fetcher } from './fetcher.ts';
import { backoffMs, KafkaHealth, sleepUnlessClosed } from './health.ts';
import { KafkaMembership } from './membership.ts';
import { listBounds } from './offsets.ts';
import type { KafkaLogOptions } from './options.ts';
import { TopicView } from './topic-view.ts';

const boundsWithinMs = 10_000;

/**
 * Opens a topic of Kafka 2.3 or newer as a record log. Does not wait for the brokers: when they cannot be
 * reached, `health()` says so, and everything works as soon as they can.
 * @throws Error when a compression codec does not work on this machine.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<RecordLog> {
  await checkCodecs();
  return new KafkaLog(options);
}

class KafkaLog implements RecordLog {
  readonly topic: string;
  readonly #options: KafkaLogOptions;
  readonly #closing = new AbortController();
  readonly #health: KafkaHealth;
  readonly #connections: Connections;
  readonly #topicView: TopicView;
  readonly #fetcher: Fetcher;
  readonly #appender: Appender;
  readonly #memberships = new Set<GroupMembership>();
  #closed: Promise<void> | undefined;

  constructor(options: KafkaLogOptions) {
    const { topic, clock } = options;
    this.topic = topic;
    this.#options = options;
    this.#health = new KafkaHealth(clock, options.logger);
    this.#connections = new Connections(options, options.logger);
    const shared = {
      connections: this.#connections,
      health: this.#health,
      clock,
      closing: this.#closing.signal,
    };
    this.#topicView = new TopicView({ ...shared, topic });
    this.#fetcher = new Fetcher({ ...shared, topic: this.#topicView });
    const { maxRecordBytes } = options;
    this.#appender = new Appender({ ...shared, topic: this.#topicView, maxRecordBytes });
  }

  async bounds(): Promise<readonly PartitionBounds[]> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonic() + boundsWithinMs;
    for (let attempt = 1; ; attempt += 1) {
      this.#refuseWhenClosed();
      try {
        await this.#topicView.refresh();
        return await listBounds(this.#connections, this.#topicView, this.#topicView.partitions);
      } catch (error) {
        this.#refuseWhenClosed();
        if (clock.monotonic() >= deadlineMs) throw new LogUnavailableError(messageOf(error));
        await sleepUnlessClosed(clock, backoffMs(attempt), this.#closing.signal);
      }
    }
  }

  openReader(partition: number, offset: number): PartitionReader {
    this.#refuseWhenClosed();
    return this.#fetcher.open(partition, offset);
  }

  async joinGroup(
    groupId: string,
    onAssignment: (assignment: Assignment) => void,
  ): Promise<GroupMembership> {
    this.#refuseWhenClosed();
    const membership = new KafkaMembership({
      groupId,
      topic: this.#topicView,
      connections: this.#connections,
      ownConnections: new Connections(this.#options, this.#options.logger),
      health: this.#health,
      clock: this.#options.clock,
      onAssignment,
    });
    this.#memberships.add(membership);
    return membership;
  }

  async append(records: readonly AppendRecord[]): Promise<void> {
    await this.#appender.append(records);
  }

  health(): string | undefined {
    return this.#health.sentence();
  }

  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    const leaving = [...this.#memberships].map((membership) => membership.leave());
    await Promise.all([this.#appender.close(), ...leaving]);
    this.#closing.abort();
    this.#connections.close();
    await Promise.all([this.#fetcher.close(), this.#topicView.close(), this.#appender.ended()]);
  }

  #refuseWhenClosed(): void {
    if (this.#closed !== undefined) throw new LogClosedError('the log is closed');
  }
}
