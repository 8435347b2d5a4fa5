export { createApi, type ApiDeps } from './api.ts';
export type { ResentDeadLetter } from './dead-letter-admin.ts';
export type { ShownDeadLetter } from './dead-letter-shape.ts';
export type { DestinationConfs } from './job-changes.ts';
export { ApiError } from './envelope.ts';
export { OutboxRelay } from './outbox-relay.ts';
export { TokenAdmin, type CreatedToken, type ShownToken } from './token-admin.ts';
export { mintToken } from './tokens.ts';
export { DEFAULT_PRODUCT_CATEGORIES, parseProductCategories } from './audit/product-categories.ts';
