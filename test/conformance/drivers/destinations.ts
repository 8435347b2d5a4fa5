import type { Drivers } from '../cases.ts';
import { answerDrivers } from './destinations/answers.ts';
import { badConfDrivers } from './destinations/bad-confs.ts';
import { confDrivers } from './destinations/confs.ts';
import { requestDrivers } from './destinations/requests.ts';

/** Cases about destination_conf, object names, what goes over the wire, delivery. */
export const drivers: Drivers = {
  logpush: { ...confDrivers, ...answerDrivers.logpush, ...requestDrivers.logpush },
  badInputs: { ...badConfDrivers, ...answerDrivers.badInputs, ...requestDrivers.badInputs },
};
