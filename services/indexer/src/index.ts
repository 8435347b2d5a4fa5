export { GROUP_ID, Indexer, type IndexerOptions } from './indexer.ts';
