import type { Drivers } from '../cases.ts';

/** Cases about credentials, ownership and what they protect. */
export const drivers: Drivers = {};
