import type { Drivers } from '../cases.ts';

/** Cases about the Logpush API: bodies, properties, envelope, errors. */
export const drivers: Drivers = {};
