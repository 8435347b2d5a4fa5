import { AUDIT_BODIES, AUDIT_TEXTS } from '@trailpush/core';
import {
  encodeEvent,
  EntryMemory,
  EntryReader,
  WriterSchemas,
  type AuditEvent,
} from '@trailpush/datasets';
import { EventSource } from '@trailpush/test/kit/event-source.ts';
import { auditEvent } from '@trailpush/test/kit/events.ts';
import { describe, expect, it } from 'vitest';

const reader = new EntryReader(new WriterSchemas({}));

function read(event: AuditEvent, key = event.account?.id ?? event.organization?.id ?? '') {
  expect(reader.load(encodeEvent(event), Buffer.from(key))).toBe(true);
  return reader.entry(new EntryMemory(1, 0));
}

/** `actor_email` of an event, found by its name. */
function member(event: AuditEvent, name: string): unknown {
  const [, section = '', rest = ''] = /^([a-z]+?)_(.*)$/.exec(name) ?? [];
  const top = event as unknown as Record<string, Record<string, unknown> | null | undefined>;
  if (name in top) return top[name];
  return top[section]?.[rest] ?? null;
}

/** Line breaks of Unicode as escapes. */
function withoutBreaks(body: string | null): string | null {
  const escaped = (character: string) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return body?.replaceAll(/[\u0085\u2028\u2029]/g, escaped) ?? null;
}

describe('EntryReader', () => {
  it('reads every value of an event', () => {
    const source = new EventSource({ templates: 300 });
    for (let index = 0; index < 300; index += 1) {
      const event = {
        ...source.event(index),
        ...{ interface: 'API', owner: { id: 'o' }, metadata: '{"a":1}', old_value: '1' },
      };
      const entry = read(event);
      for (const name of AUDIT_TEXTS) {
        expect(entry[name], name).toBe(member(event, name));
      }
      const bodies = AUDIT_BODIES.map((name) => member(event, name) as string | null);
      expect(AUDIT_BODIES.map((name) => entry[name])).toEqual(bodies.map(withoutBreaks));
      expect(entry).toMatchObject({
        tenant: { kind: 'account', id: event.account?.id },
        id: event.id,
        timeMicros: event.action.time,
        raw_status_code: event.raw.status_code,
      });
    }
  });

  it('reads a record in the midst of what was fetched, in any script', () => {
    const event = auditEvent({ id: 'é 監査 😀', accountId: 'acme' });
    const value = encodeEvent(event);
    const fetched = Buffer.concat([Buffer.from('before'), value, Buffer.from('behind')]);
    expect(reader.load(fetched.subarray(6, 6 + value.length), Buffer.from('acme'))).toBe(true);
    expect(reader.entry(new EntryMemory(1, 1000))).toMatchObject({
      id: 'é 監査 😀',
      tenant: { id: 'acme' },
    });
  });

  it('keeps what is absent apart from what is empty, and does not remember the last record', () => {
    const event = auditEvent({ id: 'a', accountId: 'acme' });
    event.actor.email = 'ann@example.com';
    event.raw.status_code = 200;
    read(event);
    event.actor.email = '';
    event.raw.status_code = null;
    expect(read(event)).toMatchObject({ actor_email: '', actor_id: null, raw_status_code: null });
  });

  it('gives events without an account to their organization', () => {
    const event = auditEvent({ id: 'a', accountId: '' });
    event.account = null;
    event.organization = { id: 'org', name: null };
    expect(read(event).tenant).toEqual({ kind: 'organization', id: 'org' });
    event.account = { id: 'acme', name: null };
    expect(read(event).tenant).toEqual({ kind: 'account', id: 'acme' });
  });

  it('puts bodies on one line', () => {
    const event = auditEvent({ id: 'a', accountId: 'acme' });
    event.resource.request = '{"a":\n"b\u2028"}';
    event.resource.response = '';
    const entry = read(event);
    expect(entry.resource_request).toBe('{"a": "b\\u2028"}');
    expect(entry.resource_response).toBeNull();
  });

  it('refuses what delivery would refuse', () => {
    const event = auditEvent({ id: 'a', accountId: 'acme' });
    expect(() => read(event, 'other')).toThrow('is not the key of its record');
    event.resource.request = '{';
    expect(() => read(event)).toThrow('resource.request is not JSON');
  });
});
