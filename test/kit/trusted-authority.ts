import { getCACertificates, setDefaultCACertificates } from 'node:tls';

import { afterAll } from 'vitest';

import { type CertificateAuthority, createAuthority } from './certificates.ts';

/** A new authority that this process trusts until the tests of the file are over. */
export function trustNewAuthority(): CertificateAuthority {
  const authority = createAuthority();
  const before = getCACertificates();
  setDefaultCACertificates([...before, authority.cert]);
  afterAll(() => setDefaultCACertificates(before));
  return authority;
}
