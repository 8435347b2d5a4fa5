import type { Assignment, GroupMembership } from '@trailpush/core';

interface Member {
  readonly onAssignment: (assignment: Assignment) => void;
  partitions: readonly number[];
}

interface Group {
  generation: number;
  readonly members: Member[];
}

/** Consumer groups of one process: members share the partitions by turns, in the order of joining. */
export class ConsumerGroups {
  readonly #partitions: readonly number[];
  readonly #store: (groupId: string, offsets: ReadonlyMap<number, number>) => Promise<void>;
  readonly #groups = new Map<string, Group>();

  constructor(
    partitions: readonly number[],
    store: (groupId: string, offsets: ReadonlyMap<number, number>) => Promise<void>,
  ) {
    this.#partitions = partitions;
    this.#store = store;
  }

  join(groupId: string, onAssignment: (assignment: Assignment) => void): GroupMembership {
    const group = this.#groups.get(groupId) ?? { generation: 0, members: [] };
    this.#groups.set(groupId, group);
    const member: Member = { onAssignment, partitions: [] };
    group.members.push(member);
    this.#assign(group);
    return {
      commit: async (offsets) => {
        const held = [...offsets].filter(([partition]) => member.partitions.includes(partition));
        if (held.length > 0) await this.#store(groupId, new Map(held));
      },
      leave: async () => {
        const place = group.members.indexOf(member);
        if (place < 0) return;
        group.members.splice(place, 1);
        member.partitions = [];
        this.#assign(group);
      },
    };
  }

  #assign(group: Group): void {
    group.generation += 1;
    const { generation, members } = group;
    const shares = members.map((_, place) =>
      this.#partitions.filter((_, i) => i % members.length === place),
    );
    // All shares first: what a member does when it is told must see the others' as they are now.
    for (const [place, member] of members.entries()) member.partitions = shares[place] ?? [];
    for (const { onAssignment, partitions } of members.slice()) {
      onAssignment({ generation, partitions });
    }
  }
}
