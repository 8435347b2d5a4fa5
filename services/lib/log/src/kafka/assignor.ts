import { WireReader, WireWriter } from './wire.ts';

/** Names the way of assigning; all members of a group must have the same. */
export const assignorName = 'trailpush-sticky';

/** What a member held until now, so that it can keep it. */
export interface Claim {
  readonly memberId: string;
  /** The generation in which it held them; the newest claim to a partition counts. */
  readonly generation: number;
  readonly partitions: readonly number[];
}

/**
 * Spreads partitions evenly and moves as few as possible: who keeps a partition keeps its open batches
 * and uploads. Every member gets an entry.
 */
export function assignPartitions(
  partitions: readonly number[],
  claims: readonly Claim[],
): Map<string, number[]> {
  const free = new Set(partitions);
  const claimed = new Map<string, number[]>();
  for (const { memberId, partitions: wanted } of claims.toSorted(byGenerationThenId)) {
    claimed.set(
      memberId,
      wanted.filter((partition) => free.delete(partition)),
    );
  }
  const least = Math.floor(partitions.length / claims.length);
  let withOneMore = partitions.length % claims.length;
  // Who holds most keeps the one more that some must get.
  const holders = [...claimed].toSorted(([, a], [, b]) => b.length - a.length);
  const assigned = new Map<string, number[]>();
  const quotas = new Map<string, number>();
  for (const [memberId, held] of holders) {
    const quota = withOneMore > 0 ? least + 1 : least;
    if (quota > least) withOneMore -= 1;
    quotas.set(memberId, quota);
    assigned.set(memberId, held.slice(0, quota));
    for (const partition of held.slice(quota)) free.add(partition);
  }
  for (const partition of [...free].toSorted((a, b) => a - b)) {
    const taker = [...assigned].find(([id, held]) => held.length < (quotas.get(id) ?? 0));
    taker?.[1].push(partition);
  }
  return assigned;
}

function byGenerationThenId(a: Claim, b: Claim): number {
  return b.generation - a.generation || (a.memberId < b.memberId ? -1 : 1);
}

/** Kafka's consumer protocol, version 0, with the claim as user data. */
export function encodeSubscription(topic: string, claim: Omit<Claim, 'memberId'>): Buffer {
  const userData = new WireWriter().int32(claim.generation);
  userData.array(claim.partitions, (partition) => userData.int32(partition));
  return new WireWriter().int16(0).int32(1).string(topic).bytes(userData.finish()).finish();
}

export function decodeSubscription(memberId: string, metadata: Buffer): Claim {
  const reader = new WireReader(metadata);
  reader.int16(); // version
  reader.array(() => reader.string()); // topics: there is only ours
  const claim = new WireReader(reader.bytes());
  return { memberId, generation: claim.int32(), partitions: claim.array(() => claim.int32()) };
}

/** As ordinary Kafka tools show it. */
export function encodeAssignment(topic: string, partitions: readonly number[]): Buffer {
  const writer = new WireWriter().int16(0).int32(1).string(topic);
  return writer
    .array(partitions, (partition) => writer.int32(partition))
    .int32(-1)
    .finish();
}

/** The partitions of our topic, in ascending order. */
export function decodeAssignment(topic: string, assignment: Buffer): number[] {
  // A member that came too late for this round is sent nothing.
  if (assignment.length === 0) return [];
  const reader = new WireReader(assignment);
  reader.int16(); // version
  const topics = reader.array(() => ({
    name: reader.string(),
    partitions: reader.array(() => reader.int32()),
  }));
  const ours = topics.find(({ name }) => name === topic);
  return (ours?.partitions ?? []).toSorted((a, b) => a - b);
}
