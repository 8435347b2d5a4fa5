import { randomUUID } from 'node:crypto';

import type { HttpAnswer } from './http-exchange.ts';
import type { Upload } from './kind.ts';
import type { NetworkTarget } from './policy.ts';
import { type ServiceAccount, signToken } from './service-account.ts';
import { md5Of, metadataOf, type StoreProtocol } from './store-put.ts';

/**
 * A multipart upload of the JSON API: metadata and content in one request. The server compares the MD5
 * before it stores anything, and its answer describes what it stored.
 */
export function gcsUpload(
  target: NetworkTarget,
  bucket: string,
  account: ServiceAccount,
): StoreProtocol {
  const url = new URL(
    `/upload/storage/v1/b/${encodeURIComponent(bucket)}/o?uploadType=multipart`,
    target.url,
  );
  return {
    prepare(object, nowMs) {
      const boundary = `trailpush-${randomUUID()}`;
      const md5Hash = md5Of(object);
      const start = Buffer.from(
        `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${describe(object, md5Hash)}\r\n` +
          `--${boundary}\r\nContent-Type: ${object.contentType}\r\n\r\n`,
      );
      const end = Buffer.from(`\r\n--${boundary}--\r\n`);
      const request = {
        method: 'POST' as const,
        url,
        headers: new Map<string, string | number>([
          ['Authorization', `Bearer ${signToken(account, nowMs)}`],
          ['Content-Type', `multipart/related; boundary=${boundary}`],
          ['Content-Length', start.length + object.bodyBytes + end.length],
        ]),
        body: [start, ...object.body, end],
      };
      return {
        request,
        confirms: ({ status, text }) => {
          const stored = resourceOf(text);
          return status === 200 && stored.name === object.key && stored.md5Hash === md5Hash;
        },
      };
    },
    explain,
  };
}

function describe(object: Upload, md5Hash: string): string {
  return JSON.stringify({
    name: object.key,
    // As Logpush stores it there: readers may be given the lines under the .gz name.
    contentType: object.contentType,
    ...(object.isPlain ? {} : { contentEncoding: 'gzip' }),
    md5Hash,
    metadata: metadataOf(object.metadata, '-'),
  });
}

/** Reasons of 403 that are about the rate, and what says that the body was damaged on its way. */
const RATE = /^(?:rateLimitExceeded|userRateLimitExceeded)$/;
const DAMAGED = /hash .* doesn't match/i;

function explain({ text }: HttpAnswer): ReturnType<StoreProtocol['explain']> {
  const { error } = resourceOf(text);
  if (typeof error?.message !== 'string') {
    // Uploads are also refused in plain words; a page of HTML is from something else.
    return { words: /^\s*<(?:!|html)/i.test(text) ? 'the answer was no answer of Google' : text };
  }
  const reason = reasonOf(error.errors);
  const words = reason === '' ? error.message : `${reason}: ${error.message}`;
  if (RATE.test(reason)) return { words, verdict: 'throttled' };
  if (DAMAGED.test(error.message)) return { words, verdict: 'retry' };
  return { words };
}

/** `reason` of the first of `errors`. */
function reasonOf(errors: unknown): string {
  const [first] = Array.isArray(errors) ? (errors as { readonly reason?: unknown }[]) : [];
  return typeof first?.reason === 'string' ? first.reason : '';
}

interface Resource {
  readonly name?: unknown;
  readonly md5Hash?: unknown;
  readonly error?: {
    readonly message?: unknown;
    readonly errors?: unknown;
  };
}

function resourceOf(text: string): Resource {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
