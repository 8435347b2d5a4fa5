export { lockDataFolder, type DataFolderLock } from './data-folder-lock.ts';
export { openEmbeddedLog, type EmbeddedLogOptions } from './embedded/embedded-log.ts';
export { partitionOfKey } from './embedded/partitioner.ts';
export { findCut } from './find-cut.ts';
export { offsetAt } from './offset-at.ts';
export { openKafkaLog } from './kafka/kafka-log.ts';
export type { KafkaAddress, KafkaLogOptions } from './kafka/options.ts';
export {
  ensureTopic,
  preflightTopic,
  type TopicToCheck,
  type TopicToEnsure,
} from './kafka/topics.ts';
