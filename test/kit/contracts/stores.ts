import { describe } from 'vitest';

import { claimContract, fenceContract } from './stores/claims.ts';
import { cutContract } from './stores/cuts.ts';
import { jobContract, jobPlaceContract } from './stores/jobs.ts';
import { deadLetterListContract } from './stores/dead-letters.ts';
import { digestContract } from './stores/digests.ts';
import { lossContract } from './stores/losses.ts';
import { modelContract } from './stores/model.ts';
import { pinContract } from './stores/pins.ts';
import { confirmContract } from './stores/confirms.ts';
import { outboxContract } from './stores/outbox.ts';
import { insertContract, replaceContract } from './stores/plans.ts';
import { replayContract } from './stores/replays.ts';
import { topicContract } from './stores/topics.ts';
import { savedQueryContract } from './stores/saved-queries.ts';
import { secretContract } from './stores/secrets.ts';
import { healthContract } from './stores/health.ts';
import { splitContract } from './stores/splits.ts';
import { createSuite, type StoresHarness } from './stores/suite.ts';
import { changesContract, revisionContract } from './stores/revisions.ts';
import { tokenContract } from './stores/tokens.ts';
import { trailContract } from './stores/trails.ts';

export type { StoresHarness, StoresPlace } from './stores/suite.ts';

/** What the stores must do on every database. Call it once at the top of a database's test file. */
export function storesContract(name: string, harness: StoresHarness): void {
  describe(`stores contract: ${name}`, () => {
    const suite = createSuite(harness);
    jobContract(suite);
    jobPlaceContract(suite);
    revisionContract(suite);
    changesContract(suite);
    claimContract(suite);
    fenceContract(suite);
    pinContract(suite);
    insertContract(suite);
    replaceContract(suite);
    confirmContract(suite);
    lossContract(suite);
    deadLetterListContract(suite);
    digestContract(suite);
    cutContract(suite);
    splitContract(suite);
    healthContract(suite);
    replayContract(suite);
    topicContract(suite);
    secretContract(suite);
    tokenContract(suite);
    savedQueryContract(suite);
    outboxContract(suite);
    trailContract(suite);
    modelContract(suite);
  });
}
