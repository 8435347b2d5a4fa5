import { describe } from 'vitest';
import { appendingContract } from './record-log/appending.ts';
import { closingContract } from './record-log/closing.ts';
import { groupContract, severalMembersContract } from './record-log/groups.ts';
import { idleAndEndsContract, readingContract } from './record-log/reading.ts';
import { rareRecordsContract, sizesContract } from './record-log/sizes.ts';
import { createSuite } from './record-log/suite.ts';
import type { RecordLogHarness } from './record-log/suite.ts';

export type { RecordLogHarness, RecordLogTopic } from './record-log/suite.ts';

/** What every `RecordLog` must do. Call it once at the top of an adapter's test file. */
export function recordLogContract(name: string, harness: RecordLogHarness): void {
  describe(`record log contract: ${name}`, () => {
    const suite = createSuite(harness);
    appendingContract(suite);
    sizesContract(suite);
    rareRecordsContract(suite);
    readingContract(suite);
    idleAndEndsContract(suite);
    groupContract(suite);
    severalMembersContract(suite);
    closingContract(suite);
  });
}
