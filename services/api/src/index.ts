export { createApi, type ApiDeps } from './api.ts';
export type { DestinationConfs } from './job-changes.ts';
export { mintToken } from './tokens.ts';
