/**
 * A digest as a file: one line of JSON that is signed, and one line with its signature. Members are in
 * alphabetical order, without white space (RFC 8785), so that equal content is equal bytes.
 */
import { createHash } from 'node:crypto';

import type { BuildDigest, DigestContent, DigestObject, DigestPlace } from '@trailpush/core';

export const DIGEST_VERSION = 1;
/** Of a whole file; far more than `maxRows` of names of the longest kind take. */
export const MAX_DIGEST_BYTES = 64 * 1024 * 1024;

/** What a verifier reads. Times are RFC 3339; `to` of ranges and gaps is exclusive, `last` inclusive. */
export interface DigestText {
  readonly version: typeof DIGEST_VERSION;
  readonly account_id: string;
  readonly job_id: number;
  readonly sequence: number;
  readonly from: string;
  readonly to: string;
  /** How often digests were made then. */
  readonly interval_seconds: number;
  readonly state: DigestContent['state'];
  readonly part: boolean;
  readonly key_id: string;
  readonly places: DigestContent['places'];
  readonly objects: readonly {
    /** Whole key below the location. */
    readonly name: string;
    /** Left out where it is that of the digest. */
    readonly location?: string;
    /** Left out where names tell objects apart. */
    readonly idempotency_key?: string;
    readonly replay_id?: number;
    readonly sha256: string;
    readonly bytes: number;
    readonly records: number;
    readonly topic: string;
    readonly partition: number;
    readonly first: number;
    readonly last: number;
  }[];
  readonly open_plans: readonly {
    readonly name: string;
    readonly location?: string;
    readonly sha256: string;
  }[];
  readonly ranges: DigestContent['ranges'];
  readonly gaps: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly from: number;
    readonly to: number;
    readonly reason: string;
    readonly possibly_delivered: boolean;
  }[];
  readonly dead_letters: DigestContent['deadLetters'];
  readonly previous: { readonly sha256: string; readonly signature: string } | null;
}

export interface DigestSignature {
  readonly algorithm: 'Ed25519';
  readonly key_id: string;
  /** Base64, over the bytes of the first line without its line feed. */
  readonly signature: string;
}

/** `hasKeys`: requests are told apart by their `Idempotency-Key` where objects have no names. */
export function digestBuilder(options: {
  readonly intervalMs: number;
  readonly hasKeys: boolean;
}): BuildDigest {
  return (content, signer) => {
    const { keyId } = signer;
    const text = Buffer.from(canonicalJson(textOf(content, keyId, options)));
    const signature = Buffer.from(signer.sign(text)).toString('base64');
    const seal: DigestSignature = { algorithm: 'Ed25519', key_id: keyId, signature };
    const body = Buffer.concat([text, Buffer.from(`\n${canonicalJson(seal)}\n`)]);
    return { body, hash: hashOf(text), signature };
  };
}

/** SHA-256, hex. */
export function hashOf(text: Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

function textOf(
  content: DigestContent,
  keyId: string,
  { intervalMs, hasKeys }: Parameters<typeof digestBuilder>[0],
): DigestText {
  const { places, previous, objects, openPlans } = content;
  const here = places.at(-1);
  return {
    version: DIGEST_VERSION,
    account_id: content.accountId,
    job_id: content.jobId,
    sequence: content.sequence,
    from: new Date(content.fromMs).toISOString(),
    to: new Date(content.toMs).toISOString(),
    interval_seconds: Math.ceil(intervalMs / 1000),
    state: content.state,
    part: content.isPart,
    key_id: keyId,
    places,
    objects: objects.map((object) => ({
      ...nameOf(object, here),
      ...(hasKeys ? { idempotency_key: object.idempotencyKey } : {}),
      ...(object.replayId === null ? {} : { replay_id: object.replayId }),
      ...{ sha256: object.payloadHash, bytes: object.payloadBytes, records: object.records },
      ...{ topic: object.topic, partition: object.partition },
      ...{ first: object.first, last: object.last },
    })),
    open_plans: openPlans.map((plan) => ({ ...nameOf(plan, here), sha256: plan.payloadHash })),
    ranges: content.ranges,
    gaps: content.gaps.map(({ topic, partition, from, to, reason, possiblyDelivered }) => ({
      ...{ topic, partition, from, to, reason },
      possibly_delivered: possiblyDelivered,
    })),
    dead_letters: content.deadLetters,
    previous: previous && { sha256: previous.hash, signature: previous.signature },
  };
}

function nameOf(
  { location, key }: Pick<DigestObject, 'location' | 'key'>,
  here: DigestPlace | undefined,
): { name: string; location?: string } {
  return { name: key, ...(location === here?.location ? {} : { location }) };
}

/** JSON as RFC 8785 writes it: members sorted by UTF-16, numbers as JavaScript writes them. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(
          Object.entries(each).toSorted(([one], [other]) => (one < other ? -1 : 1)),
        )
      : each,
  );
}
