import { randomBytes } from 'node:crypto';

import { ConfigError, Secret } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { SealBrokenError, SecretBox } from './secret-box.ts';

const place = { accountId: 'acme', jobId: 7, field: 'destination_conf' };
const secret = new Secret('s3://bucket?secret-access-key=üñí');

describe('a sealed secret', () => {
  const key = randomBytes(32);
  const box = new SecretBox(key);

  it('opens in its place only', () => {
    const sealed = box.seal(secret, place);
    expect(new SecretBox(key).open(sealed, place).reveal()).toBe(secret.reveal());
    for (const other of [
      { ...place, accountId: 'other' },
      { ...place, jobId: 8 },
      { ...place, field: 'token' },
      // Together the same text, split differently.
      { ...place, accountId: 'acme,7', jobId: 0 },
    ]) {
      expect(() => box.open(sealed, other)).toThrow(SealBrokenError);
    }
  });

  it('is another text every time, even for an empty secret', () => {
    const sealed = Array.from({ length: 50 }, () => box.seal(new Secret(''), place));
    expect(new Set(sealed).size).toBe(50);
    expect(box.open(sealed[0]!, place).reveal()).toBe('');
  });

  it('does not open when any part of it was changed', () => {
    const sealed = box.seal(secret, place);
    for (let at = 0; at < sealed.length; at += 1) {
      const other = sealed[at] === 'A' ? 'B' : 'A';
      const changed = sealed.slice(0, at) + other + sealed.slice(at + 1);
      // The last character has bits that belong to no byte.
      if (Buffer.from(changed).equals(Buffer.from(sealed)) || at === sealed.length - 1) continue;
      expect(() => box.open(changed, place)).toThrow(SealBrokenError);
    }
    for (const text of ['', 'v1', 'v1.x', sealed.slice(0, 30), `${sealed}.x`.slice(3)]) {
      expect(() => box.open(text, place)).toThrow(SealBrokenError);
    }
  });

  it('names the job and not the secret when it does not open', () => {
    const other = new SecretBox(randomBytes(32));
    expect(() => other.open(box.seal(secret, place), place)).toThrow(
      'the sealed destination_conf of job 7 was sealed with another key',
    );
  });

  it('needs a key of 32 bytes', () => {
    for (const length of [0, 16, 31, 33]) {
      expect(() => new SecretBox(randomBytes(length))).toThrow(ConfigError);
    }
  });
});
