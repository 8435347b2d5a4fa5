import type { Ownership } from '@trailpush/core';

/** Most of the gain, and a transaction of a few milliseconds: readers wait for it. */
const MAX_TOGETHER = 16;

interface Waiting<Ask, Answer> {
  readonly ownership: Ownership;
  readonly ask: Ask;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Calls about different jobs of one partition that come at the same moment become one transaction: most of
 * what a call costs is beginning one and making it durable. What fails, fails for all of them.
 */
export class Together<Ask extends { readonly jobId: number }, Answer> {
  readonly #run: (ownership: Ownership, asks: readonly Ask[]) => Promise<readonly Answer[]>;
  #waiting: Waiting<Ask, Answer>[] = [];

  constructor(run: (ownership: Ownership, asks: readonly Ask[]) => Promise<readonly Answer[]>) {
    this.#run = run;
  }

  ask(ownership: Ownership, ask: Ask): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    if (this.#waiting.push({ ownership, ask, resolve, reject }) === 1) {
      queueMicrotask(() => this.#runAll());
    }
    return promise;
  }

  #runAll(): void {
    const groups: Waiting<Ask, Answer>[][] = [];
    for (const one of this.#waiting) {
      const open = groups.find((group) => group.length < MAX_TOGETHER && belongs(one, group));
      if (open) open.push(one);
      else groups.push([one]);
    }
    this.#waiting = [];
    for (const group of groups) void this.#runGroup(group);
  }

  async #runGroup(group: readonly Waiting<Ask, Answer>[]): Promise<void> {
    try {
      const [first] = group;
      if (!first) return;
      const asks = group.map(({ ask }) => ask);
      const answers = await this.#run(first.ownership, asks);
      for (const [index, { resolve, reject }] of group.entries()) {
        const answer = answers[index];
        if (answer === undefined) reject(new Error('a call was left without an answer'));
        else resolve(answer);
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}

function belongs<Ask extends { readonly jobId: number }, Answer>(
  { ownership, ask }: Waiting<Ask, Answer>,
  group: readonly Waiting<Ask, Answer>[],
): boolean {
  const { topic, partition, epoch } = ownership;
  return group.every(
    (other) =>
      other.ask.jobId !== ask.jobId &&
      other.ownership.topic === topic &&
      other.ownership.partition === partition &&
      other.ownership.epoch === epoch,
  );
}
