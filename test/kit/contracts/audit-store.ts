import { describe } from 'vitest';
import { appendContract } from './audit-store/appending.ts';
import { countContract } from './audit-store/counting.ts';
import { filterContract } from './audit-store/filtering.ts';
import { followContract } from './audit-store/following.ts';
import { locateContract } from './audit-store/locating.ts';
import { modelContract } from './audit-store/model.ts';
import { pageContract } from './audit-store/paging.ts';
import { searchContract } from './audit-store/searching.ts';
import { createSuite, type AuditStoreHarness } from './audit-store/suite.ts';

export type { AuditStoreHarness } from './audit-store/suite.ts';

/** What an audit store must do on every database. Call it once at the top of a test file. */
export function auditStoreContract(name: string, harness: AuditStoreHarness): void {
  describe(`audit store contract: ${name}`, () => {
    const suite = createSuite(harness);
    appendContract(suite);
    pageContract(suite);
    filterContract(suite);
    locateContract(suite);
    followContract(suite);
    searchContract(suite);
    countContract(suite);
    modelContract(suite);
  });
}
