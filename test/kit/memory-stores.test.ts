import { describe } from 'vitest';
import { claimContract, fenceContract } from './contracts/stores/claims.ts';
import { confirmContract } from './contracts/stores/confirms.ts';
import { cutContract } from './contracts/stores/cuts.ts';
import { jobPlaceContract } from './contracts/stores/jobs.ts';
import { deadLetterListContract } from './contracts/stores/dead-letters.ts';
import { lossContract } from './contracts/stores/losses.ts';
import { modelContract } from './contracts/stores/model.ts';
import { pinContract } from './contracts/stores/pins.ts';
import { outboxContract } from './contracts/stores/outbox.ts';
import { insertContract, replaceContract } from './contracts/stores/plans.ts';
import { healthContract } from './contracts/stores/health.ts';
import { splitContract } from './contracts/stores/splits.ts';
import { replayContract } from './contracts/stores/replays.ts';
import { topicContract } from './contracts/stores/topics.ts';
import { savedQueryContract } from './contracts/stores/saved-queries.ts';
import { createSuite } from './contracts/stores/suite.ts';
import { trailContract } from './contracts/stores/trails.ts';
import { tokenContract } from './contracts/stores/tokens.ts';
import { MemoryStores } from './memory-stores.ts';
import { MemorySavedQueries } from './memory-saved-queries.ts';
import { MemoryTokens } from './memory-tokens.ts';

// The double answers to the same contracts as the real stores, as far as it keeps anything.
describe('stores contract: memory', () => {
  const suite = createSuite({
    create: async () => {
      let stores: MemoryStores | undefined;
      let tokens: MemoryTokens | undefined;
      let savedQueries: MemorySavedQueries | undefined;
      return {
        open: async ({ clock }) => {
          stores ??= new MemoryStores(clock);
          tokens ??= new MemoryTokens(clock, stores.outbox);
          savedQueries ??= new MemorySavedQueries(clock, stores.outbox);
          const { outbox } = stores;
          const auditTrail = { add: async (lines: readonly string[]) => outbox.add(lines) };
          const ports = { ...stores.open(), outbox: outbox.open(clock), auditTrail, tokens };
          return {
            ...ports,
            savedQueries,
            ping: async () => undefined,
            health: () => undefined,
            close: async () => undefined,
            get digests(): never {
              throw new Error('the double keeps no digests');
            },
            get digestKeys(): never {
              throw new Error('the double keeps no keys');
            },
          };
        },
        contents: async () => Buffer.alloc(0),
        remove: async () => undefined,
      };
    },
  });
  jobPlaceContract(suite);
  claimContract(suite);
  fenceContract(suite);
  pinContract(suite);
  insertContract(suite);
  replaceContract(suite);
  confirmContract(suite);
  lossContract(suite);
  deadLetterListContract(suite);
  cutContract(suite);
  splitContract(suite);
  healthContract(suite);
  replayContract(suite);
  topicContract(suite);
  modelContract(suite);
  tokenContract(suite);
  savedQueryContract(suite);
  outboxContract(suite);
  trailContract(suite);
});
