/** What verification can find wrong. Anything of it, and the place is not proven. */
export type FindingKind =
  'missing' | 'changed' | 'foreign' | 'unsigned' | 'chain_broken' | 'cut_off' | 'no_digests';

export interface Finding {
  readonly kind: FindingKind;
  /** Of the object or digest, below the verified place; empty for the place as a whole. */
  readonly name: string;
  readonly message: string;
}

/** One chain, as far as it could be followed. */
export interface VerifiedChain {
  readonly jobId: number;
  readonly accountId: string;
  /** Where its digests lie, below the verified place. */
  readonly folder: string;
  readonly digests: number;
  /** The time that its digests cover, RFC 3339. */
  readonly from: string;
  readonly to: string;
  readonly state: string;
  readonly gaps: number;
  readonly deadLetters: number;
}

/** A place can have millions of findings; these are kept, and all are counted. */
const MAX_KEPT = 1000;

/** Findings and counts of one verification. */
export class Report {
  readonly findings: Finding[] = [];
  readonly counts: Partial<Record<FindingKind, number>> = {};
  readonly chains: VerifiedChain[] = [];
  /** Objects that are newer than the last digest, so that the next one will name them. */
  readonly pending: string[] = [];
  pendingCount = 0;
  objects = 0;
  records = 0;
  /** Objects that digests name at other places, which are not looked at. */
  elsewhere = 0;

  add(kind: FindingKind, name: string, message: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    if (this.findings.length < MAX_KEPT) this.findings.push({ kind, name, message });
  }

  addPending(name: string): void {
    this.pendingCount++;
    if (this.pending.length < MAX_KEPT) this.pending.push(name);
  }

  get isProven(): boolean {
    return Object.keys(this.counts).length === 0;
  }
}
