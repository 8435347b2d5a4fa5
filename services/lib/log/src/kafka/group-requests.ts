import type { ApiRequest } from './requests.ts';
import type { WireReader } from './wire.ts';
import { WireWriter } from './wire.ts';

/** Everything that the coordinator needs to know who asks. */
export interface MemberSession {
  readonly groupId: string;
  readonly memberId: string;
  /** Kafka's, which starts again when the group was empty for long. */
  readonly generation: number;
}

export function findCoordinatorRequest(
  groupId: string,
): ApiRequest<{ readonly errorCode: number; readonly address: string }> {
  return {
    apiKey: 10,
    apiVersion: 1,
    apiName: 'FindCoordinator',
    body: new WireWriter().string(groupId).int8(0).finish(),
    decode: (reader) => {
      const throttleMs = reader.int32();
      const errorCode = reader.int16();
      reader.nullableString(); // message
      reader.int32(); // node
      const host = reader.string();
      return { throttleMs, result: { errorCode, address: `${host}:${reader.int32()}` } };
    },
  };
}

export interface JoinedGroup {
  readonly errorCode: number;
  readonly generation: number;
  readonly leaderId: string;
  readonly memberId: string;
  /** For the leader alone, who assigns. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

/** Answered when all members have come, or after `rebalanceTimeoutMs`. */
export function joinGroupRequest(join: {
  readonly groupId: string;
  /** Empty the first time. */
  readonly memberId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocol: string;
  readonly metadata: Buffer;
}): ApiRequest<JoinedGroup> {
  return {
    apiKey: 11,
    apiVersion: 4,
    apiName: 'JoinGroup',
    body: new WireWriter()
      .string(join.groupId)
      .int32(join.sessionTimeoutMs)
      .int32(join.rebalanceTimeoutMs)
      .string(join.memberId)
      .string('consumer')
      .int32(1)
      .string(join.protocol)
      .bytes(join.metadata)
      .finish(),
    decode: (reader) => {
      const throttleMs = reader.int32();
      const errorCode = reader.int16();
      const generation = reader.int32();
      reader.string(); // protocol: there is only ours
      const leaderId = reader.string();
      const memberId = reader.string();
      const members = reader.array(() => ({ memberId: reader.string(), metadata: reader.bytes() }));
      return { throttleMs, result: { errorCode, generation, leaderId, memberId, members } };
    },
  };
}

/** The leader sends all assignments, the others none; everybody is told theirs. */
export function syncGroupRequest(
  session: MemberSession,
  assignments: ReadonlyMap<string, Buffer>,
): ApiRequest<{ readonly errorCode: number; readonly assignment: Buffer }> {
  const writer = sessionWriter(session);
  writer.array([...assignments], ([memberId, bytes]) => writer.string(memberId).bytes(bytes));
  return {
    apiKey: 14,
    apiVersion: 1,
    apiName: 'SyncGroup',
    body: writer.finish(),
    decode: (reader) => {
      const throttleMs = reader.int32();
      const errorCode = reader.int16();
      return { throttleMs, result: { errorCode, assignment: reader.bytes() } };
    },
  };
}

export function heartbeatRequest(session: MemberSession): ApiRequest<number> {
  const body = sessionWriter(session).finish();
  return { apiKey: 12, apiVersion: 1, apiName: 'Heartbeat', body, decode: readErrorCode };
}

export function leaveGroupRequest(groupId: string, memberId: string): ApiRequest<number> {
  const body = new WireWriter().string(groupId).string(memberId).finish();
  return { apiKey: 13, apiVersion: 1, apiName: 'LeaveGroup', body, decode: readErrorCode };
}

/** The coordinator refuses it when the generation has passed. Answers with an error code per partition. */
export function offsetCommitRequest(
  session: MemberSession,
  topic: string,
  offsets: ReadonlyMap<number, number>,
): ApiRequest<readonly number[]> {
  const writer = sessionWriter(session);
  writer
    .int32(1)
    .string(topic)
    .array([...offsets], ([partition, offset]) =>
      writer.int32(partition).int64(offset).string(null),
    );
  return {
    apiKey: 8,
    apiVersion: 5,
    apiName: 'OffsetCommit',
    body: writer.finish(),
    decode: (reader) => {
      const throttleMs = reader.int32();
      const topics = reader.array(() => {
        reader.string();
        return reader.array(() => {
          reader.int32(); // partition
          return reader.int16();
        });
      });
      return { throttleMs, result: topics.flat() };
    },
  };
}

function sessionWriter({ groupId, generation, memberId }: MemberSession): WireWriter {
  return new WireWriter().string(groupId).int32(generation).string(memberId);
}

function readErrorCode(reader: WireReader): { throttleMs: number; result: number } {
  return { throttleMs: reader.int32(), result: reader.int16() };
}
