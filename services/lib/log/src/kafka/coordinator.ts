import { LogUnavailableError } from '@trailpush/core';
import {
  assignorName,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './assignor.ts';
import type { Claim } from './assignor.ts';
import type { Connections } from './connections.ts';
import {
  findCoordinatorRequest,
  heartbeatRequest,
  joinGroupRequest,
  leaveGroupRequest,
  offsetCommitRequest,
  syncGroupRequest,
} from './group-requests.ts';
import type { JoinedGroup, MemberSession } from './group-requests.ts';
import { describeErrorCode, ErrorCode } from './requests.ts';
import type { ApiRequest } from './requests.ts';

/**
 * Without a sign of life for this long the coordinator gives a member's partitions to others: how long
 * deliveries rest when a batcher was killed. A member that was merely slow is fenced by the epoch.
 */
export const sessionTimeoutMs = 10_000;
/** How long it waits for members to come to a rebalance. Shorter than a session. */
const rebalanceTimeoutMs = 8_000;

const movedErrors: readonly number[] = [
  ErrorCode.notCoordinator,
  ErrorCode.coordinatorNotAvailable,
];

/** The coordinator refused; `code` says what that means for the membership. */
export class GroupError extends LogUnavailableError {
  readonly code: number;

  constructor(groupId: string, code: number) {
    super(`consumer group ${groupId}: ${describeErrorCode(code)}`);
    this.code = code;
  }
}

export interface CoordinatorOptions {
  readonly groupId: string;
  readonly topic: string;
  /** Any broker knows who the coordinator is. */
  readonly connections: Connections;
  /** For this group alone: a join can take long, and nothing else may wait behind it. */
  readonly ownConnections: Connections;
}

/** The broker that keeps a consumer group. Every method throws GroupError or LogUnavailableError. */
export class Coordinator {
  readonly #options: CoordinatorOptions;
  #address: string | undefined;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
  }

  /** `memberId` is empty the first time; `onMemberId` is told the one that it gets. */
  async join(
    memberId: string,
    claim: Omit<Claim, 'memberId'>,
    onMemberId: (memberId: string) => void,
  ): Promise<JoinedGroup> {
    const { groupId, topic } = this.#options;
    const request = (id: string): ApiRequest<JoinedGroup> =>
      joinGroupRequest({
        groupId,
        memberId: id,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        protocol: assignorName,
        metadata: encodeSubscription(topic, claim),
      });
    let joined = await this.#send('join', request(memberId));
    if (joined.errorCode === ErrorCode.memberIdRequired) {
      onMemberId(joined.memberId);
      joined = await this.#send('join', request(joined.memberId));
    }
    this.#check(joined.errorCode);
    onMemberId(joined.memberId);
    return joined;
  }

  /** The partitions of this member. The leader passes those of all. */
  async sync(
    session: MemberSession,
    assigned: ReadonlyMap<string, readonly number[]>,
  ): Promise<number[]> {
    const { topic } = this.#options;
    const encoded = [...assigned].map(([id, own]) => [id, encodeAssignment(topic, own)] as const);
    const synced = await this.#send('join', syncGroupRequest(session, new Map(encoded)));
    this.#check(synced.errorCode);
    return decodeAssignment(topic, synced.assignment);
  }

  async heartbeat(session: MemberSession): Promise<void> {
    this.#check(await this.#send('group', heartbeatRequest(session)));
  }

  /** Stores the offsets, unless the generation of the session has passed. */
  async commit(session: MemberSession, offsets: ReadonlyMap<number, number>): Promise<void> {
    const request = offsetCommitRequest(session, this.#options.topic, offsets);
    for (const code of await this.#send('group', request)) this.#check(code);
  }

  async leave(memberId: string): Promise<void> {
    this.#check(await this.#send('group', leaveGroupRequest(this.#options.groupId, memberId)));
  }

  /** Ends requests that wait for an answer. */
  close(): void {
    this.#options.ownConnections.close();
  }

  async #send<T>(purpose: 'group' | 'join', request: ApiRequest<T>): Promise<T> {
    try {
      this.#address ??= await this.#find();
      const connection = await this.#options.ownConnections.to(this.#address, purpose);
      return await connection.send(request);
    } catch (error) {
      this.#address = undefined;
      throw error;
    }
  }

  async #find(): Promise<string> {
    const connection = await this.#options.connections.any();
    const found = await connection.send(findCoordinatorRequest(this.#options.groupId));
    this.#check(found.errorCode);
    return found.address;
  }

  #check(code: number): void {
    if (code === ErrorCode.none) return;
    if (movedErrors.includes(code)) this.#address = undefined;
    throw new GroupError(this.#options.groupId, code);
  }
}

/** What the members of a join held before. */
export function claimsOf(joined: JoinedGroup): Claim[] {
  return joined.members.map(({ memberId, metadata }) => decodeSubscription(memberId, metadata));
}
