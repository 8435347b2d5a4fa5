/** Tables of digests, under the conventions of `schema.ts`. */
export interface DigestTables {
  digest_chains: DigestChainsTable;
  digests: DigestsTable;
  digest_keys: DigestKeysTable;
}

/** The head of each job's chain; stays when the job is deleted. */
interface DigestChainsTable {
  job_id: number;
  account_id: string;
  started_at_ms: number;
  /** Of the last digest; 0 before the first. */
  sequence: number;
  sealed_until_ms: number;
  hash: string | null;
  signature: string | null;
  state: 'enabled' | 'disabled' | 'deleted';
  /** The largest id of those named so far. */
  dead_letter_id: number;
  /** JSON: `DigestStay[]`, and where the job was in each partition. */
  places: string;
  positions: string;
  /** Null: never. */
  due_at_ms: number | null;
  tries: number;
}

/** Digests until they lie at their place, and those that are kept here. */
interface DigestsTable {
  job_id: number;
  sequence: number;
  account_id: string;
  from_ms: number;
  to_ms: number;
  /** Null together. */
  location: string | null;
  folder: string | null;
  body: Uint8Array;
  hash: string;
  signature: string;
  key_id: string;
  is_part: number;
  /** Null until it is known that it stays here. */
  settled_at_ms: number | null;
}

interface DigestKeysTable {
  id: string;
  public_key: string;
  /** Sealed, see SecretBox. */
  private_key: string;
  created_at_ms: number;
  retired_at_ms: number | null;
}
