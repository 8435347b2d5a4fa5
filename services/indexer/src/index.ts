export { GROUP_ID, Indexer, type IndexerOptions } from './indexer.ts';
export { Restorer, type RestorerOptions } from './restorer.ts';
export { Retention, type RetentionOptions } from './retention.ts';
