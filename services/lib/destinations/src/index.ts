export { type Cidr, parseCidrs } from './address.ts';
export type { DestinationDeps, DestinationKind, OpenableDestination } from './kind.ts';
export { objectKey } from './object-key.ts';
export { openDestination } from './open-destination.ts';
export { challengeFilename, demandsOwnership, putChallenge } from './ownership.ts';
export type { DestinationPolicy } from './policy.ts';
export { DESTINATION_KINDS, parseDestination } from './registry.ts';
export { redactConf, restoreConf } from './secrets.ts';
export { checkGoogleKey } from './service-account.ts';
