export { createApi, type ApiDeps } from './api.ts';
export type { LineEncoder } from './ingest.ts';
export type { DestinationConfs } from './job-changes.ts';
