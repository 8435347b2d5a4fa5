import { AUDIT_BODIES, TIMESTAMP_FORMATS, type AuditEntry } from '@trailpush/core';
import {
  datasets,
  encodeEvent,
  EntryMemory,
  EntryReader,
  parseExportedLine,
  plainEntry,
  WriterSchemas,
} from '@trailpush/datasets';
import { EventSource } from '@trailpush/test/kit/event-source.ts';
import { outcomeOf } from '@trailpush/test/kit/reader-outcome.ts';
import { describe, expect, it } from 'vitest';

const schemas = new WriterSchemas({});
const dataset = datasets(schemas).get('audit_logs_v2')!;
const lines = dataset.openReader();
const entries = new EntryReader(schemas);
const source = new EventSource({ templates: 300 });
const UNIT_MICROS = { unix: 1e6, rfc3339: 1e6, rfc3339ms: 1e3, rfc3339ns: 1, unixnano: 1 };

function lineOf(index: number, options: object): Buffer {
  const event = source.event(index);
  const key = event.account?.id ?? '';
  const stored = { outputOptions: JSON.stringify(options), logpullOptions: null };
  const { line } = outcomeOf(lines, dataset.parseOutputOptions(stored).line, {
    value: Buffer.from(encodeEvent(event)),
    key,
  });
  return Buffer.from(line ?? '', 'latin1').subarray(0, -1);
}

function entryOf(index: number): AuditEntry {
  const event = source.event(index);
  entries.load(encodeEvent(event), Buffer.from(event.account?.id ?? ''));
  return plainEntry(entries.entry(new EntryMemory(1, 0)));
}

/** As a line can tell: it shows an absent text as an empty one, and has no fields of version 1. */
function asExported(entry: AuditEntry, unitMicros: number): AuditEntry {
  const isInObject = (name: string) => name.startsWith('raw_') || name.startsWith('actor_token_');
  const isBody = (name: string) => (AUDIT_BODIES as readonly string[]).includes(name);
  const known = Object.entries(entry).map(([name, value]: [string, unknown]) => {
    const isEmpty = (value === '' && !isInObject(name)) || (value === '{}' && isBody(name));
    return [name, isEmpty ? null : value];
  });
  return {
    ...(Object.fromEntries(known) as AuditEntry),
    ...{ interface: null, owner_id: null, metadata: null, old_value: null, new_value: null },
    timeMicros: Math.floor(entry.timeMicros / unitMicros) * unitMicros,
  };
}

describe('a line of an exported object', () => {
  it.each(TIMESTAMP_FORMATS)('gives back the event, with times as %s', (format) => {
    for (let index = 0; index < 300; index += 1) {
      const read = parseExportedLine(lineOf(index, { timestamp_format: format }));
      expect(read).toEqual({
        ok: true,
        entry: asExported(entryOf(index), UNIT_MICROS[format]),
        missing: [],
        isTimeCut: UNIT_MICROS[format] > 1,
      });
    }
  });

  it('is read with any fields in any order, and says which are missing', () => {
    const names = ['Raw', 'ActionTimestamp', 'ResourceValue', 'AccountID', 'AuditLogID'];
    const read = parseExportedLine(lineOf(7, { field_names: names }));
    if (!read.ok) throw new Error(read.reason);
    expect(read.missing).toHaveLength(18);
    expect(read.missing).toContain('ZoneName');
    const { id, tenant, raw_uri, resource_value, actor_id } = read.entry;
    const { id: wanted, ...rest } = asExported(entryOf(7), 1);
    expect([id, tenant, raw_uri, resource_value, actor_id]).toEqual([
      ...[wanted, rest.tenant, rest.raw_uri, rest.resource_value],
      null,
    ]);
  });

  const good = '{"AuditLogID":"a","AccountID":"b","ActionTimestamp":"2026-05-21T00:00:00Z"';
  it.each([
    ['no JSON', 'a,b,c', 'not a JSON object: only NDJSON can be restored'],
    ['an id that is empty', good.replace('"a"', '""') + '}', 'AuditLogID must be 1 to 128'],
    ['no account', '{"AuditLogID":"a"}', 'AccountID is missing'],
    ['a null for the time', '{"AuditLogID":"a","AccountID":"b","ActionTimestamp":null}', 'missing'],
    ['another dataset', '{"EventID":1}', 'audit_logs_v2 has no field "EventID"'],
    ['a field given twice', `${good},"ZoneID":"","ZoneID":"z"}`, 'ZoneID is given twice'],
    ['an unknown member', `${good},"Raw":{"x":1}}`, 'Raw.x is unknown'],
    ['a body that is no JSON', `${good},"ResourceValue":{]}`, 'ResourceValue is not JSON'],
    ['a time after 2199', good.replace('2026', '2200') + '}', 'years 1970 to 2199'],
    ['a time that is a bool', good.replace(/"20.*/, 'true}'), 'must be a time in a format'],
    ['a cut line', good, 'a comma or a closing brace was expected'],
  ])('is refused with %s', (_, line, reason) => {
    const read = parseExportedLine(Buffer.from(line));
    expect(read).toMatchObject({ ok: false, reason: expect.stringContaining(reason) as string });
  });
});
