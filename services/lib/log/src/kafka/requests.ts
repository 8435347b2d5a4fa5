/**
 * The requests that we send ourselves, at versions that every Kafka from 2.3 to 4 speaks. Unlike those of
 * kafkajs they keep the error of each partition apart: kafkajs throws the whole answer away when one
 * partition has trouble, so that a single leaderless partition would stop all others.
 */
import { errorCodes } from './kafkajs-internals.ts';
import type { WireReader } from './wire.ts';
import { WireWriter } from './wire.ts';

export interface ApiRequest<T> {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly body: Buffer;
  decode(payload: WireReader): { readonly throttleMs: number; readonly result: T };
}

/** The error codes that we act upon one by one. */
export const ErrorCode = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  outOfOrderSequence: 45,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  unknownProducer: 59,
  memberIdRequired: 79,
} as const;

export function describeErrorCode(code: number): string {
  const known = errorCodes.find((error) => error.code === code);
  return known === undefined ? `error ${code}` : `${known.type}: ${known.message}`;
}

export function isRetriable(code: number): boolean {
  return errorCodes.find((error) => error.code === code)?.retriable ?? false;
}

export interface TopicMetadata {
  readonly nodes: readonly {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
  }[];
  readonly topicErrorCode: number;
  /** `leader` is negative while the partition has none. */
  readonly partitions: readonly { readonly partition: number; readonly leader: number }[];
}

export function metadataRequest(topic: string): ApiRequest<TopicMetadata> {
  return {
    apiKey: 3,
    apiVersion: 4,
    apiName: 'Metadata',
    body: new WireWriter()
      .int32(1)
      .string(topic)
      // Never create the topic by asking for it: it would get the broker's defaults.
      .int8(0)
      .finish(),
    decode: (reader) => {
      const throttleMs = reader.int32();
      const nodes = reader.array(() => ({
        nodeId: reader.int32(),
        host: reader.string(),
        port: reader.int32(),
        rack: reader.nullableString(),
      }));
      reader.nullableString(); // cluster id
      reader.int32(); // controller
      const [found] = reader.array(() => ({
        errorCode: reader.int16(),
        topic: reader.string(),
        isInternal: reader.int8(),
        partitions: reader.array(() => readPartitionMetadata(reader)),
      }));
      const topicErrorCode = found?.errorCode ?? ErrorCode.unknownTopicOrPartition;
      return { throttleMs, result: { nodes, topicErrorCode, partitions: found?.partitions ?? [] } };
    },
  };
}

function readPartitionMetadata(reader: WireReader): { partition: number; leader: number } {
  reader.int16(); // its error says no more than the missing leader
  const partition = reader.int32();
  const leader = reader.int32();
  reader.array(() => reader.int32()); // replicas
  reader.array(() => reader.int32()); // in-sync replicas
  return { partition, leader };
}

export interface PartitionOffset {
  readonly partition: number;
  readonly errorCode: number;
  readonly offset: number;
}

/** Where partitions start (`earliest`) or what the next record will get (`latest`). */
export function listOffsetsRequest(
  topic: string,
  partitions: readonly number[],
  which: 'earliest' | 'latest',
): ApiRequest<readonly PartitionOffset[]> {
  const writer = new WireWriter();
  writer
    .int32(-1) // not a replica
    .int8(0) // the high watermark, not the end of the last finished transaction
    .int32(1)
    .string(topic)
    .array(partitions, (partition) =>
      writer.int32(partition).int64(which === 'earliest' ? -2 : -1),
    );
  return {
    apiKey: 2,
    apiVersion: 2,
    apiName: 'ListOffsets',
    body: writer.finish(),
    decode: (reader) => {
      const throttleMs = reader.int32();
      const topics = reader.array(() => {
        reader.string();
        return reader.array(() => {
          const partition = reader.int32();
          const errorCode = reader.int16();
          reader.int64(); // timestamp
          return { partition, errorCode, offset: reader.int64() };
        });
      });
      return { throttleMs, result: topics.flat() };
    },
  };
}

export interface FetchRequest {
  readonly topic: string;
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  /** Each partition at most once. */
  readonly partitions: readonly {
    readonly partition: number;
    readonly offset: number;
    readonly maxBytes: number;
  }[];
}

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly logStart: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches; the last one may be cut short. A view into the answer. */
  readonly recordSet: Buffer;
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** Committed records only. The first batch of a partition comes whole, however large it is. */
export function fetchRequest(request: FetchRequest): ApiRequest<{
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}> {
  const writer = new WireWriter();
  writer
    .int32(-1) // not a replica
    .int32(request.maxWaitMs)
    .int32(1) // answer as soon as there is anything
    .int32(request.maxBytes)
    .int8(1) // read committed
    .int32(0) // no fetch session
    .int32(-1)
    .int32(1)
    .string(request.topic)
    .array(request.partitions, ({ partition, offset, maxBytes }) =>
      writer.int32(partition).int32(-1).int64(offset).int64(-1).int32(maxBytes),
    )
    .int32(0) // nothing to forget
    .string(''); // rack
  return {
    apiKey: 1,
    apiVersion: 11,
    apiName: 'Fetch',
    body: writer.finish(),
    decode: (reader) => {
      const throttleMs = reader.int32();
      const errorCode = reader.int16();
      reader.int32(); // session
      const topics = reader.array(() => {
        reader.string();
        return reader.array(() => readFetchedPartition(reader));
      });
      return { throttleMs, result: { errorCode, partitions: topics.flat() } };
    },
  };
}

function readFetchedPartition(reader: WireReader): FetchedPartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  reader.int64(); // last stable offset
  const logStart = reader.int64();
  const aborted = reader.array(() => ({
    producerId: reader.int64(),
    firstOffset: reader.int64(),
  }));
  reader.int32(); // preferred replica: we always read from the leader
  return { partition, errorCode, highWatermark, logStart, aborted, recordSet: reader.bytes() };
}
