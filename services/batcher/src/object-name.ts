import { createHash } from 'node:crypto';

/** What a name is made of. A name must bind the content: the end too, not the start alone. */
export interface NameParts {
  readonly jobId: number;
  readonly contentRevision: number;
  readonly topic: string;
  readonly incarnation: number;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
  /** Smallest and largest broker time of the batch, milliseconds since the epoch. */
  readonly minTimestampMs: number;
  readonly maxTimestampMs: number;
}

/** SHA-256 has 64 hex digits, so there are eight names to choose from. */
export const NAME_CHOICES = 8;

function digest(parts: NameParts): string {
  const { jobId, contentRevision, topic, incarnation, partition, first, last } = parts;
  const text = [jobId, contentRevision, topic, incarnation, partition, first, last].join('\n');
  return createHash('sha256').update(text).digest('hex');
}

/** `YYYYMMDDTHHMMSSZ`. */
function stamp(timestampMs: number): string {
  return `${new Date(timestampMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

/**
 * `<start>_<end>_<8 hex>.log.gz`, as Logpush names its objects. `choice` counts up when the name is
 * taken by another object, and takes the next eight digits.
 */
export function objectName(parts: NameParts, choice: number): string {
  const hex = digest(parts).slice(choice * 8, choice * 8 + 8);
  return `${stamp(parts.minTimestampMs)}_${stamp(parts.maxTimestampMs)}_${hex}.log.gz`;
}

/** The same for every attempt of one object, wherever it is sent; 32 hex digits. */
export function idempotencyKey(parts: NameParts): string {
  return digest(parts).slice(0, 32);
}
