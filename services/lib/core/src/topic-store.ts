import type { LastRead } from './progress.ts';

/** What is stored about a topic: how far it was read, and which of its incarnations that was. */
export interface StoredTopic {
  readonly topic: string;
  readonly incarnation: number;
  /** In order of number; those that were ever claimed. */
  readonly partitions: readonly StoredTopicPartition[];
}

export interface StoredTopicPartition {
  readonly partition: number;
  /** The next offset that attached jobs without a cursor row still owe. */
  readonly liveFrom: number;
  readonly lastRead: LastRead | null;
}

/** What was written off with the old records. */
export interface TopicAcceptance {
  readonly incarnation: number;
  /** Jobs that had not got all of them; each has a gap and an error. */
  readonly gaps: number;
  readonly droppedPlans: number;
  readonly cancelledReplays: number;
}

/** For operators of a topic that was made anew, or has lost its end. */
export interface TopicStore {
  /** Undefined: no partition of it was ever claimed. */
  read(topic: string): Promise<StoredTopic | undefined>;
  /**
   * Raises the incarnation and starts these partitions anew: from `from` on, everybody is owed everything.
   * What a job had not got of the old records, up to the last that was read, is a gap; its open plans go.
   * Owners lose the partitions by their epochs. One transaction.
   */
  accept(
    topic: string,
    partitions: readonly { readonly partition: number; readonly from: number }[],
  ): Promise<TopicAcceptance>;
}
