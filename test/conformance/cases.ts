import badInputsJson from '../cases/bad-inputs.json' with { type: 'json' };
import logpushJson from '../cases/logpush.json' with { type: 'json' };

/**
 * Two collections of cases that others could have written: what Logpush is known to do, and what an
 * attacker or an accident sends. Every entry is claimed by exactly one driver, or listed in
 * `undriven.ts` with the reason (`conformance.test.ts`).
 */
export interface Case {
  readonly id: string;
  /** What the entry is about; entries of one kind have the same members. */
  readonly kind: string;
  readonly [member: string]: unknown;
}

/** Runs one entry; throws (by `expect`) when the program does not behave as the entry says. */
export type Driver = (entry: Case) => void | Promise<void>;

/** By the id of an entry, or by its kind: then for all entries that no id of any table names. */
export type DriverTable = Readonly<Record<string, Driver>>;

/** What one file below `drivers` exports. */
export interface Drivers {
  readonly logpush?: DriverTable;
  readonly badInputs?: DriverTable;
}

export type Collection = keyof Drivers;

export const CASES: Readonly<Record<Collection, readonly Case[]>> = {
  logpush: logpushJson,
  badInputs: badInputsJson,
};

/** Texts of `bad-inputs.json` that are made, not written out. */
export function expand(value: unknown): string {
  if (typeof value === 'string') return value;
  const made = value as {
    $repeat?: readonly [string, number];
    $concat?: readonly unknown[];
    $nest?: { open: string; core: string; close: string; depth: number };
  };
  if (made.$repeat !== undefined) return made.$repeat[0].repeat(made.$repeat[1]);
  if (made.$concat !== undefined) return made.$concat.map(expand).join('');
  if (made.$nest !== undefined) {
    const { open, core, close, depth } = made.$nest;
    return `${open.repeat(depth)}${core}${close.repeat(depth)}`;
  }
  throw new Error(`no text can be made of ${JSON.stringify(value)}`);
}
