import type { AuditBody, AuditEntry, AuditText } from './audit.ts';

/** A member of a JSON object, and whence its value comes. One without a value is left out. */
export type LineMember =
  /** Texts become JSON strings; bodies are written as they are. */
  | readonly [name: string, value: 'id' | AuditText | AuditBody | 'raw_status_code']
  /** In UTC, RFC 3339, with as many digits of a second as there are. */
  | readonly [name: string, value: 'time']
  | readonly [name: string, value: { readonly constant: string }]
  | readonly [name: string, value: LineObject];

export interface LineObject {
  readonly members: readonly LineMember[];
  /** Left out when none of its members has a value; else it is then written as `{}`. */
  readonly isOptional?: boolean;
}

/** How an event is written as a line of JSON, told twice: for databases that can do it, and for us. */
export interface LineShape {
  readonly line: LineObject;
  /** The same line, with its end. */
  readonly lineOf: (entry: AuditEntry) => string;
}
