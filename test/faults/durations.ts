import { eventually } from '../kit/system/program.ts';

const IS_FULL = process.env['FAULTS'] === 'full';

/** How long a fault lasts, or how often it comes: scaled down, or with `--full` as the matrix has it. */
export function lasting(scaled: number, full: number): number {
  return IS_FULL ? full : scaled;
}

/** Resolves when so many milliseconds have passed. */
export async function pass(ms: number): Promise<void> {
  const end = performance.now() + ms;
  await eventually('time passes', 2 * ms, () => performance.now() > end);
}
