export { type Cidr, parseCidrs } from './address.ts';
export { digestBuilder, MAX_DIGEST_BYTES, type DigestText } from './evidence/digest-file.ts';
export {
  digestKey,
  digestPlace,
  isOwnFile,
  parseDigestKey,
  putDigest,
} from './evidence/digest-place.ts';
export {
  openEvidenceSource,
  SourceError,
  type EvidenceSource,
} from './evidence/evidence-source.ts';
export {
  keyIdOf,
  readDigest,
  readPublicKey,
  UnprovenError,
  type ProvenDigest,
  type VerifyingKey,
  type VerifyingKeys,
} from './evidence/read-digest.ts';
export type { DestinationDeps, DestinationKind, OpenableDestination } from './kind.ts';
export { objectKey } from './object-key.ts';
export { openFolder, type FoundObject, type ObjectSource } from './object-source.ts';
export { openDestination } from './open-destination.ts';
export { challengeFilename, demandsOwnership, putChallenge } from './ownership.ts';
export type { DestinationPolicy } from './policy.ts';
export { DESTINATION_KINDS, parseDestination } from './registry.ts';
export { redactConf, restoreConf } from './secrets.ts';
export { checkGoogleKey } from './service-account.ts';
export { openWebhook } from './webhook.ts';
