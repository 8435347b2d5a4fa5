export { openPostgresStores, openSqliteStores, type Stores } from './stores.ts';
export { SecretBox, SealBrokenError, type SealedPlace } from './secret-box.ts';
export { openPostgresAuditStore, openSqliteAuditStore, type OpenAuditStore } from './audit/open.ts';
