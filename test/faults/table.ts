import { appendFileSync } from 'node:fs';

/** What one row of the fault matrix came to. */
export interface Outcome {
  readonly events: number;
  readonly missing: number;
  readonly repeated: number;
}

/** Files of one run write their rows to the same place: `npm run test:faults` prints them as a table. */
export function report(row: number, outcome: Outcome): void {
  const file = process.env['FAULTS_REPORT'];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ row, ...outcome })}\n`);
}
