import { LogUnavailableError } from '@trailpush/core';
import type { PartitionBounds } from '@trailpush/core';
import type { Connections } from './connections.ts';
import { describeErrorCode, ErrorCode, listOffsetsRequest } from './requests.ts';
import type { TopicView } from './topic-view.ts';

/**
 * Asks the leaders where the partitions start and end, in the order of `partitions`.
 * @throws LogUnavailableError when one of them cannot tell
 */
export async function listBounds(
  connections: Connections,
  topic: TopicView,
  partitions: readonly number[],
): Promise<PartitionBounds[]> {
  const byLeader = new Map<number, number[]>();
  for (const partition of partitions) {
    const leader = topic.leaderOf(partition);
    if (leader === undefined) throw new LogUnavailableError(withoutLeader(topic, partition));
    const led = byLeader.get(leader) ?? [];
    led.push(partition);
    byLeader.set(leader, led);
  }
  const found = new Map<number, PartitionBounds>();
  const asking = [...byLeader].map(async ([nodeId, led]) => {
    const connection = await connections.toNode(nodeId, 'control');
    // First the ends, then the starts: a start that moves in between cannot pass the end we report.
    const ends = await connection.send(listOffsetsRequest(topic.topic, led, 'latest'));
    const starts = await connection.send(listOffsetsRequest(topic.topic, led, 'earliest'));
    for (const { partition, errorCode, offset: start } of starts) {
      const latest = ends.find((end) => end.partition === partition);
      const code = errorCode === ErrorCode.none ? (latest?.errorCode ?? -1) : errorCode;
      if (code !== ErrorCode.none || latest === undefined) {
        throw new LogUnavailableError(
          `the bounds of partition ${partition} of topic ${topic.topic} are not known: ${describeErrorCode(code)}`,
        );
      }
      found.set(partition, { partition, start, end: Math.max(start, latest.offset) });
    }
  });
  await Promise.all(asking);
  return partitions.map((partition) => {
    const bounds = found.get(partition);
    if (bounds === undefined) throw new LogUnavailableError(withoutLeader(topic, partition));
    return bounds;
  });
}

export function withoutLeader(topic: TopicView, partition: number): string {
  const problem = topic.partitions.includes(partition) ? 'has no leader' : 'does not exist';
  return `partition ${partition} of topic ${topic.topic} ${problem}`;
}
