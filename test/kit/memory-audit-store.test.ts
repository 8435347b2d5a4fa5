import { auditStoreContract } from './contracts/audit-store.ts';
import { MemoryAuditStore } from './memory-audit-store.ts';

const store = new MemoryAuditStore();
auditStoreContract('memory', {
  open: async () => ({ store, close: async () => undefined }),
  remove: async () => undefined,
});
