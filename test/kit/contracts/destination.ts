import { describe } from 'vitest';

import { answersContract } from './destination/answers.ts';
import { abortContract, silenceContract } from './destination/ending.ts';
import { probeAnswerContract, probeContract } from './destination/probing.ts';
import { echoContract, secrecyContract } from './destination/secrecy.ts';
import { keyContract, storingContract } from './destination/storing.ts';
import type { DestinationHarness } from './destination/suite.ts';

export type { DestinationHarness, DestinationPlace } from './destination/suite.ts';

/** What every `Destination` must do. Call it once in `<scheme>.contract.test.ts` beside the kind. */
export function destinationContract(name: string, harness: DestinationHarness): void {
  describe(`destination contract: ${name}`, () => {
    storingContract(harness);
    if (harness.storesByKey) keyContract(harness);
    probeContract(harness);
    abortContract(harness);
    secrecyContract(harness);
    if (harness.answers === 'none') return;
    silenceContract(harness);
    probeAnswerContract(harness);
    answersContract(harness);
    echoContract(harness);
  });
}
