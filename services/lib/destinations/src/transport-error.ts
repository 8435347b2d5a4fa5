/** Faults that this library notices by itself, beside the codes of Node and OpenSSL. */
export type TransportFault =
  | 'address_blocked'
  | 'connect_timeout'
  | 'tls_timeout'
  | 'stalled'
  | 'deadline'
  | 'no_address'
  | 'closed';

/** A connection that this side refused or gave up. The message names host and limit, never an inner address. */
export class TransportError extends Error {
  readonly code: TransportFault;

  constructor(code: TransportFault, message: string) {
    super(message);
    this.name = 'TransportError';
    this.code = code;
  }
}
