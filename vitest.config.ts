import { defineConfig } from 'vitest/config';

/** Also on two cores, where vitest itself would leave one idle: much of a test is waiting. */
const MAX_WORKERS = 2;

export default defineConfig({
  test: {
    maxWorkers: MAX_WORKERS,
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'services/**/*.test.ts',
            'test/repo/*.test.ts',
            'test/kit/**/*.test.ts',
            'test/conformance/*.test.ts',
          ],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'simulation',
          include: ['test/simulation/*.test.ts'],
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          // Minutes long: `npm run test:faults` runs them too.
          exclude: process.env['FAULTS'] ? [] : ['test/faults/**/*.long.test.ts'],
          testTimeout: process.env['FAULTS'] === 'full' ? 1_800_000 : 180_000,
          hookTimeout: 180_000,
          // What is delivered twice is counted, and depends on who had to wait: one file at a time.
          fileParallelism: false,
        },
      },
    ],
  },
});
