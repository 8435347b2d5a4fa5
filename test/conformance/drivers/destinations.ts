import type { Drivers } from '../cases.ts';

/** Cases about destination_conf, object names, what goes over the wire, delivery. */
export const drivers: Drivers = {};
