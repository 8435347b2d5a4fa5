import { systemClock } from '@trailpush/runtime';
import { recordLogContract } from './contracts/record-log.ts';
import { MemoryTopic } from './memory-log.ts';

const maxRecordBytes = 4 * 1024 * 1024;

// The double answers to the same contract as the real logs: what is tested with it holds for them.
recordLogContract('memory', {
  severalHandles: true,
  maxRecordBytes,
  createTopic: async () => {
    const topic = new MemoryTopic({ clock: systemClock, partitions: 3, maxRecordBytes });
    return {
      open: async () => topic.open(),
      cleanup: async () => undefined,
      committed: async (groupId) => topic.committed(groupId),
      forgetAll: async () => {
        for (const { partition, end } of topic.bounds()) topic.trim(partition, end);
      },
      leaveGap: async (partition) => topic.leaveGap(partition, 1),
      appendRaw: async (record) => void topic.appendRaw(record),
    };
  },
});
