import { auditRetentionContract } from './contracts/audit-retention.ts';
import { MemoryAuditRetention } from './memory-audit-retention.ts';
import { MemoryAuditStore } from './memory-audit-store.ts';

const store = new MemoryAuditStore();
const retention = new MemoryAuditRetention(store);
auditRetentionContract('the memory of the kit', {
  open: async () => ({ store, retention, close: async () => undefined }),
  remove: async () => undefined,
});
