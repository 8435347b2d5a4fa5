/**
 * Evidence of what was delivered: each job has a chain of signed digests, one an interval, and every object
 * of the ledger is in exactly one of them. ARCHITECTURE.md, "Digests".
 */

/** Where the digests of a job lie: below `<folder>/_trailpush/` of a location. */
export interface DigestPlace {
  readonly location: string;
  /** Without slashes at its ends; empty for the root. */
  readonly folder: string;
}

/** From digest number `since` on, until the next one of the list. */
export interface DigestStay extends DigestPlace {
  readonly since: number;
}

/** An object of the ledger, as a digest names it. */
export interface DigestObject {
  readonly location: string;
  readonly key: string;
  /** What every request that carried it had as `Idempotency-Key`. */
  readonly idempotencyKey: string;
  /** SHA-256 over the uncompressed payload, hex. */
  readonly payloadHash: string;
  readonly payloadBytes: number;
  readonly records: number;
  readonly topic: string;
  readonly partition: number;
  /** Both ends inclusive. */
  readonly first: number;
  readonly last: number;
  /** Set for an object of a replay of the job. */
  readonly replayId: number | null;
}

/** A plan that was open: its object may lie at its place already. */
export type DigestPlan = Pick<DigestObject, 'location' | 'key' | 'payloadHash'>;

/** In one partition: the job has dealt with everything from `from` up to, and without, `to`. */
export interface DigestRange {
  readonly topic: string;
  readonly incarnation: number;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** `to` is exclusive. */
export interface DigestGap {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  readonly possiblyDelivered: boolean;
}

export interface DigestDeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly reason: string;
}

/** A digest that is linked to by the next one. */
export interface DigestLink {
  /** SHA-256 over what was signed, hex. */
  readonly hash: string;
  /** Base64. */
  readonly signature: string;
}

export interface DigestContent {
  readonly accountId: string;
  readonly jobId: number;
  /** 1 is the first. */
  readonly sequence: number;
  /** Where the digest before ended. */
  readonly fromMs: number;
  readonly toMs: number;
  /** What the job was at `toMs`. */
  readonly state: 'enabled' | 'disabled' | 'deleted';
  /** True when there was too much for one: the next digest goes on at once. */
  readonly isPart: boolean;
  readonly places: readonly DigestStay[];
  readonly objects: readonly DigestObject[];
  readonly openPlans: readonly DigestPlan[];
  /** Empty for a part. */
  readonly ranges: readonly DigestRange[];
  readonly gaps: readonly DigestGap[];
  readonly deadLetters: readonly DigestDeadLetter[];
  /** Null for the first. */
  readonly previous: DigestLink | null;
}

/** Signs with the current key. */
export interface DigestSigner {
  readonly keyId: string;
  sign(text: Uint8Array): Uint8Array;
}

/** A digest in the bytes that are written. */
export interface SignedDigest extends DigestLink {
  readonly body: Uint8Array;
}

/** Bytes and name of a digest. Must give the same ones for the same content. */
export type BuildDigest = (content: DigestContent, signer: DigestSigner) => SignedDigest;

/** A digest as it is stored, until it lies at its place, or for as long as the ledger. */
export interface StoredDigest extends SignedDigest {
  readonly accountId: string;
  readonly jobId: number;
  readonly sequence: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly keyId: string;
  /** As of its content. */
  readonly isPart: boolean;
  /** Null when the job was deleted before it had one. */
  readonly place: DigestPlace | null;
}

export type DigestSummary = Omit<StoredDigest, 'body' | 'place' | 'accountId' | 'isPart'>;

/** A chain whose next digest is due. */
export interface DueChain {
  readonly jobId: number;
  readonly accountId: string;
  /** Attempts that have failed since the last success. */
  readonly tries: number;
}

export interface DigestOrder {
  readonly nowMs: number;
  /** Undefined: of a job that was deleted, as it was. */
  readonly place: DigestPlace | undefined;
  /** The destination takes no digests: those that say nothing are made once a day only. */
  readonly isKept: boolean;
  /** The most objects, and the most dead letters, of one digest. */
  readonly maxRows: number;
  readonly build: BuildDigest;
}

/** Every method rejects with StoreUnavailableError when it could not be confirmed; repeating it is safe. */
export interface DigestStore {
  /**
   * Begins the chains of jobs that were enabled meanwhile, the first digest due after `firstAfterMs(jobId)`, and
   * takes up to `limit` chains that are due: they are due again after `leaseMs`.
   */
  takeDue(request: {
    readonly nowMs: number;
    readonly limit: number;
    readonly leaseMs: number;
    readonly firstAfterMs: (jobId: number) => number;
  }): Promise<readonly DueChain[]>;
  /**
   * The digest of a job that is not settled yet, bytes as they were made; else makes the next one, from all that
   * came into the ledger and was in none so far, in one transaction. Undefined: there is nothing to say.
   */
  next(jobId: number, order: DigestOrder): Promise<StoredDigest | undefined>;
  /** `isWritten`: it lies at its place, and its bytes go from the store. Else it is kept there. */
  settle(jobId: number, sequence: number, isWritten: boolean): Promise<void>;
  /** Null: never again. */
  schedule(jobId: number, dueAtMs: number | null, tries: number): Promise<void>;
  /** Those that are stored, the newest first; `before` is a sequence. */
  list(
    accountId: string,
    jobId: number,
    page: { readonly limit: number; readonly before?: number },
  ): Promise<readonly DigestSummary[]>;
  get(accountId: string, jobId: number, sequence: number): Promise<StoredDigest | undefined>;
}

/** A key that digests are signed with, without its secret part. */
export interface DigestKey {
  /** First 32 hex digits of SHA-256 over the public key (SPKI, DER). */
  readonly id: string;
  /** SPKI, PEM. */
  readonly publicKey: string;
  readonly createdAtMs: number;
  /** Null for the one that signs. */
  readonly retiredAtMs: number | null;
}

/** The first key is made when it is first asked for. Old public keys stay for good. */
export interface DigestKeyStore {
  /** The newest first; at least one. */
  list(): Promise<readonly DigestKey[]>;
  /** Everything that is made from now on is signed with a new key. Resolves to it. */
  rotate(): Promise<DigestKey>;
}
