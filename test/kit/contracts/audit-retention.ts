import type { AuditRetention, AuditStore } from '@trailpush/core';
import { describe } from 'vitest';
import { dropContract } from './audit-retention/dropping.ts';
import { ruleContract } from './audit-retention/rules.ts';
import { createRetentionSuite } from './audit-retention/suite.ts';

export interface AuditRetentionHarness {
  /** Opens stores over one empty place; every call opens the same place once more. */
  open(): Promise<{ store: AuditStore; retention: AuditRetention; close(): Promise<void> }>;
  remove(): Promise<void>;
}

/** What retention must do on every database. Call it once at the top of a test file. */
export function auditRetentionContract(name: string, harness: AuditRetentionHarness): void {
  describe(`audit retention contract: ${name}`, () => {
    const suite = createRetentionSuite(harness);
    ruleContract(suite);
    dropContract(suite);
  });
}
