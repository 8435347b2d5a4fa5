import { LogUnavailableError, messageOf } from '@trailpush/core';
import type { Assignment, Clock, GroupMembership } from '@trailpush/core';
import { assignPartitions } from './assignor.ts';
import { claimsOf, Coordinator, GroupError, sessionTimeoutMs } from './coordinator.ts';
import type { Connections } from './connections.ts';
import type { JoinedGroup, MemberSession } from './group-requests.ts';
import { backoffMs, sleepUnlessClosed } from './health.ts';
import type { KafkaHealth } from './health.ts';
import { ErrorCode } from './requests.ts';
import type { TopicView } from './topic-view.ts';

const heartbeatMs = 3_000;
const lookoutMs = 1_000;
/** How long a commit is tried, and how long leaving may take. */
const commitWithinMs = 10_000;
const leaveWithinMs = 3_000;

export interface MembershipOptions {
  readonly groupId: string;
  readonly topic: TopicView;
  readonly connections: Connections;
  readonly ownConnections: Connections;
  readonly health: KafkaHealth;
  readonly clock: Clock;
  readonly onAssignment: (assignment: Assignment) => void;
}

/** What the member holds since its last join. */
interface Held extends MemberSession {
  readonly partitions: readonly number[];
  /** For the member that assigned: the partitions that it knew then. */
  readonly assignedFrom: readonly number[] | undefined;
}

/**
 * A member of a consumer group, by the protocol of Kafka's classic consumers.
 *
 * kafkajs' consumer is not used. It repeats a commit under a later generation, which the broker accepts
 * for partitions that meanwhile moved away; one leaderless partition makes it leave the group; and a
 * coordinator that falls silent makes it wait for minutes without a word to us.
 */
export class KafkaMembership implements GroupMembership {
  readonly #options: MembershipOptions;
  readonly #coordinator: Coordinator;
  readonly #where: string;
  readonly #leaving = new AbortController();
  readonly #stopLookout: () => void;
  readonly #running: Promise<void>;
  #memberId = '';
  #held: Held | undefined;
  #mustJoin = true;
  #lastContactMs = 0;
  /** How often `onAssignment` was called, and what it said last. */
  #tellings = 0;
  #told: readonly number[] = [];

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#coordinator = new Coordinator({ ...options, topic: options.topic.topic });
    this.#where = `group ${options.groupId}`;
    this.#stopLookout = options.clock.every(lookoutMs, () => this.#lookOut());
    this.#running = this.#run();
  }

  async commit(offsets: ReadonlyMap<number, number>): Promise<void> {
    const { clock } = this.#options;
    const held = this.#held;
    const own = new Map([...offsets].filter(([p]) => held?.partitions.includes(p)));
    const deadlineMs = clock.monotonic() + commitWithinMs;
    // What a later generation holds is for its own calls to commit.
    for (let attempt = 1; held !== undefined && this.#held === held && own.size > 0; attempt += 1) {
      try {
        await this.#coordinator.commit(held, own);
        return;
      } catch (error) {
        if (clock.monotonic() >= deadlineMs) throw new LogUnavailableError(messageOf(error));
        await sleepUnlessClosed(clock, backoffMs(attempt), this.#leaving.signal);
      }
    }
  }

  async leave(): Promise<void> {
    if (!this.#hasLeft()) {
      this.#leaving.abort();
      this.#stopLookout();
      this.#held = undefined;
      const patience = new AbortController();
      const timeout = this.#options.clock.sleep(leaveWithinMs, patience.signal);
      // Should it fail, the session ends by itself.
      const goodbye = this.#memberId === '' ? undefined : this.#coordinator.leave(this.#memberId);
      await Promise.race([goodbye?.catch(() => undefined), timeout.catch(() => undefined)]);
      patience.abort();
      this.#coordinator.close();
    }
    await this.#running;
    this.#options.health.worked(this.#where);
  }

  async #run(): Promise<void> {
    const { clock, health } = this.#options;
    for (let failures = 0; !this.#leaving.signal.aborted;) {
      try {
        await (this.#mustJoin ? this.#join() : this.#heartbeat());
        failures = 0;
        health.worked(this.#where);
      } catch (error) {
        if (this.#hasLeft()) return;
        this.#obey(error);
        failures += 1;
        health.failed(this.#where, messageOf(error));
        const pause = sleepUnlessClosed(clock, backoffMs(failures), this.#leaving.signal);
        await pause.catch(() => undefined);
      }
    }
  }

  async #join(): Promise<void> {
    const { groupId, topic, clock } = this.#options;
    const claim = this.#held ?? { generation: -1, partitions: [] };
    const joined = await this.#coordinator.join(this.#memberId, claim, (memberId) => {
      this.#memberId = memberId;
    });
    const session = { groupId, memberId: joined.memberId, generation: joined.generation };
    const assigns = joined.leaderId === joined.memberId;
    const assigned = assigns ? await this.#assign(joined) : new Map<string, number[]>();
    const partitions = await this.#coordinator.sync(session, assigned);
    if (this.#hasLeft()) return;
    this.#held = { ...session, partitions, assignedFrom: assigns ? topic.partitions : undefined };
    this.#mustJoin = false;
    this.#lastContactMs = clock.monotonic();
    this.#tell(partitions);
  }

  async #assign(joined: JoinedGroup): Promise<Map<string, number[]>> {
    const { topic } = this.#options;
    await topic.refresh();
    return assignPartitions(topic.partitions, claimsOf(joined));
  }

  async #heartbeat(): Promise<void> {
    const { clock, topic } = this.#options;
    await sleepUnlessClosed(clock, heartbeatMs, this.#leaving.signal);
    const held = this.#held;
    if (held === undefined) return;
    // Only the member that assigned can bring the group to assign again.
    const { assignedFrom } = held;
    if (assignedFrom !== undefined && assignedFrom.join() !== topic.partitions.join()) {
      this.#mustJoin = true;
      return;
    }
    await this.#coordinator.heartbeat(held);
    this.#lastContactMs = clock.monotonic();
  }

  /** What a refusal means for the membership. */
  #obey(error: unknown): void {
    if (!(error instanceof GroupError)) return;
    if (error.code === ErrorCode.rebalanceInProgress) {
      this.#mustJoin = true;
      // It was an answer: the session must last as long as the join that follows may take.
      this.#lastContactMs = this.#options.clock.monotonic();
    }
    if (error.code === ErrorCode.unknownMember || error.code === ErrorCode.illegalGeneration) {
      this.#memberId = '';
      this.#lose();
    }
  }

  /** Our partitions may be with others by now. */
  #lookOut(): void {
    const silentMs = this.#options.clock.monotonic() - this.#lastContactMs;
    if (this.#held !== undefined && silentMs > sessionTimeoutMs) this.#lose();
  }

  #lose(): void {
    this.#held = undefined;
    this.#mustJoin = true;
    if (this.#told.length > 0) this.#tell([]);
  }

  #hasLeft(): boolean {
    return this.#leaving.signal.aborted;
  }

  #tell(partitions: readonly number[]): void {
    this.#told = partitions;
    this.#tellings += 1;
    this.#options.onAssignment({ generation: this.#tellings, partitions });
  }
}
