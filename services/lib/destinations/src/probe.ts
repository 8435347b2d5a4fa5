import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';

import type { Upload } from './kind.ts';
import { probeKey } from './object-key.ts';

/** As Logpush documents it for HTTP destinations. */
const TEXT = '{"content":"tests"}';

/** Logpush's test upload. Each has its own idempotency key, else a receiver might answer from memory. */
export function createProbe(pathTemplate: string): Upload {
  const body = gzipSync(TEXT);
  return {
    key: probeKey(pathTemplate),
    idempotencyKey: `test-${randomUUID()}`,
    body: [body],
    bodyBytes: body.length,
    contentType: 'application/x-ndjson',
    metadata: undefined,
  };
}
