import type { Drivers } from '../cases.ts';

/** Cases about datasets, lines, output options, filters. */
export const drivers: Drivers = {};
