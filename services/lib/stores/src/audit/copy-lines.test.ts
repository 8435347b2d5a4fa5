import { AUDIT_BODIES, AUDIT_TEXTS, type AuditEntry } from '@trailpush/core';
import {
  encodeEvent,
  EntryMemory,
  EntryReader,
  plainEntry,
  WriterSchemas,
} from '@trailpush/datasets';
import { EventSource } from '@trailpush/test/kit/event-source.ts';
import { auditEvent } from '@trailpush/test/kit/events.ts';
import { SeededRandom } from '@trailpush/test/kit/random.ts';
import { describe, expect, it } from 'vitest';

import { CopyLines } from './copy-lines.ts';
import { newEvent } from './postgres-engine.ts';

const reader = new EntryReader(new WriterSchemas({}));
const lines = new CopyLines();

function entryOf(event: ReturnType<typeof auditEvent>): AuditEntry {
  const key = event.account?.id ?? event.organization?.id ?? '';
  expect(reader.load(encodeEvent(event), Buffer.from(key))).toBe(true);
  return reader.entry(new EntryMemory(1, 0));
}

/** By way of bytes, and of texts. */
function bothLines(entry: AuditEntry, tenant: number) {
  const line = entry.encoded && lines.line(entry, entry.encoded, tenant);
  return [line?.toString(), newEvent(plainEntry(entry), tenant).row];
}

describe('a line of COPY made of bytes', () => {
  it('is the one that is made of texts', () => {
    const source = new EventSource({ templates: 2000 });
    let made = 0;
    for (let index = 0; index < 2000; index += 1) {
      const [line, expected] = bothLines(entryOf(source.event(index)), index * 7919);
      if (line === undefined) continue;
      made += 1;
      expect(line).toBe(expected);
    }
    expect(made).toBe(2000);
  });

  it.each([
    ['ASCII', []],
    ['any', ['é', '監査', '😀', 'ΟΔΟΣ', 'e\u0301', 'ﬁ', 'ﷺ', '\u0085', 'ß'.repeat(300)]],
  ])('is the same for texts of %s characters', (_, others) => {
    const random = new SeededRandom(5);
    const pieces = [
      '\\',
      '\n',
      '\r',
      '\t',
      ' ',
      'a',
      'Z',
      '0',
      '{',
      '}',
      '"',
      '\\N',
      '\\.',
      'word',
      'W'.repeat(70),
      '.',
      ...others,
    ];
    const text = (length: number) =>
      Array.from({ length: random.between(0, length) }, () => random.pick(pieces)).join('');
    let missed = 0;
    for (let round = 0; round < 500; round += 1) {
      const event = auditEvent({ id: `id ${text(3)}`, accountId: 'acme' });
      const length = random.pick([2, 30, 600]);
      event.action.description = text(length);
      event.action.result = random.pick(['success', 'failure', '', null]);
      event.actor.email = text(length);
      event.actor.id = random.chance(0.3) ? null : text(length);
      event.resource.id = text(length);
      event.resource.type = text(length);
      event.resource.request = JSON.stringify({ text: text(length) });
      event.raw.uri = text(length);
      event.raw.method = random.pick(['POST', 'post', 'GET']);
      event.raw.status_code = random.pick([null, 0, 200, -5, 2_147_483_647]);
      event.action.time = random.pick([0, 1, -1, 1_779_321_600_000_001]);
      const [line, expected] = bothLines(entryOf(event), random.between(0, 2_147_483_647));
      if (line === undefined) missed += 1;
      else expect(line).toBe(expected);
    }
    // Where words may be longer than their text.
    expect(missed).toBeLessThan(others.length * 5 + 1);
  });

  it('has as many words as the other one', () => {
    const event = auditEvent({ id: 'a', accountId: 'acme' });
    event.raw.uri = Array.from({ length: 300 }, (_, index) => `w${index % 250}`).join('/');
    const [line, expected] = bothLines(entryOf(event), 1);
    expect(line).toBe(expected);
    expect(line).toContain(' w199 ');
  });

  it.each(['\0', '\u0001'])('is left to the other way for %j', (text) => {
    const event = auditEvent({ id: 'a', accountId: 'acme' });
    event.zone = { id: 'z', name: text };
    expect(bothLines(entryOf(event), 1)[0]).toBeUndefined();
    event.zone.name = 'plain';
    // What was begun is gone.
    const [line, expected] = bothLines(entryOf(event), 1);
    expect(line).toBe(expected);
  });

  it('is left to the other way for bytes that are no text', () => {
    const event = auditEvent({ id: 'a', accountId: 'acme' });
    event.zone = { id: 'z', name: 'not text' };
    const value = Buffer.from(encodeEvent(event));
    value[value.indexOf('not text')] = 0xff;
    expect(reader.load(value, Buffer.from('acme'))).toBe(true);
    const entry = reader.entry(new EntryMemory(1, 0));
    expect(bothLines(entry, 1)).toEqual([undefined, expect.stringContaining('\ufffdot text')]);
  });

  it('lies beside others that were made before', () => {
    const source = new EventSource({ templates: 50 });
    const entries = Array.from({ length: 3000 }, (_, index) => entryOf(source.event(index)));
    const made = entries.map((entry) => entry.encoded && lines.line(entry, entry.encoded, 3));
    const texts = made.map((line, index) => line?.toString() ?? newEvent(entries[index]!, 3).row);
    expect(texts).toEqual(entries.map((entry) => newEvent(entry, 3).row));
  });
});

describe('an entry in memory', () => {
  it('has every text as often as it is asked for', () => {
    const entry = entryOf(new EventSource({ templates: 1 }).event(0));
    const plain = plainEntry(entry);
    for (const name of [...AUDIT_TEXTS, ...AUDIT_BODIES]) expect(entry[name]).toBe(plain[name]);
    expect(Object.keys(plain)).toEqual(expect.arrayContaining([...AUDIT_TEXTS, ...AUDIT_BODIES]));
  });
});
