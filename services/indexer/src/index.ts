export { GROUP_ID, Indexer, type IndexerOptions } from './indexer.ts';
export { Retention, type RetentionOptions } from './retention.ts';
