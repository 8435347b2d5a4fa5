/** Dead letters as people look at them and send them again. They are never deleted. */
import type { DeadLetter } from './progress.ts';

/** A dead letter without its bytes, since those of a page could fill the memory. */
export interface DeadLetterSummary extends Omit<DeadLetter, 'key' | 'value'> {
  /** Null when the record has no value. */
  readonly valueBytes: number | null;
}

export interface DeadLetterQuery {
  /** Null: of all accounts, and those that belong to none; for operators alone. */
  readonly accountId: string | null;
  readonly jobId?: number;
  readonly reason?: string;
  /** Only letters with a smaller id: the last one of the page before. */
  readonly before?: number;
  readonly limit: number;
}

/** Every method rejects with StoreUnavailableError when it could not be confirmed; repeating it is safe. */
export interface DeadLetterStore {
  /** The newest first, at most `limit`. */
  list(query: DeadLetterQuery): Promise<readonly DeadLetterSummary[]>;
  /** Whole, of any account: for operators alone. */
  get(id: number): Promise<DeadLetter | undefined>;
  /** Notes when it was sent again last. */
  markResent(id: number, atMs: number): Promise<void>;
}
