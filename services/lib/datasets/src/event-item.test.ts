import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AuditEvent } from './audit-event.ts';
import { parseEventItem, type ItemResult } from './event-item.ts';

const OPTIONS = { maxLineBytes: 8 * 1024 * 1024, newId: () => 'new-id', nowMicros: () => 42 };

function parse(line: string | Buffer): ItemResult {
  return parseEventItem(Buffer.from(line), OPTIONS);
}

function eventOf(line: string): AuditEvent {
  const result = parse(line);
  if (!result.ok) throw new Error(result.reason);
  return result.event;
}

function reasonOf(line: string | Buffer): string {
  const result = parse(line);
  return result.ok ? 'accepted' : result.reason;
}

/** An item of one account with one more member. */
const withMember = (member: string) => `{"account":{"id":"a"},${member}}`;

interface IngestLine {
  readonly name: string;
  readonly line: string;
  readonly nest?: { open: string; core: string; close: string; depth: number };
  readonly refused?: string;
}

function build({ line, nest }: IngestLine): string {
  if (!nest) return line;
  const body = nest.open.repeat(nest.depth) + nest.core + nest.close.repeat(nest.depth);
  return line.replace('$BODY', body);
}

const CASES = JSON.parse(
  readFileSync(new URL('../../../../test/cases/ingest-lines.json', import.meta.url), 'utf8'),
) as IngestLine[];

describe('hostile lines', () => {
  test.each(CASES)('$name', (entry) => {
    const result = parse(build(entry));
    if (entry.refused === undefined) expect(result).toMatchObject({ ok: true });
    else expect(result).toMatchObject({ reason: expect.stringContaining(entry.refused) as string });
    expect(Object.prototype).not.toHaveProperty('admin');
  });
});

describe('a whole item', () => {
  const REQUEST = '{ "n": 1506702504433000123, "e":1.50E+2,\t"s":"\\u0041\\/é\u2028" , "a": [ ] }';
  const LINE = `{"id":"f174be97-19b1-40d6-954d-70cd5fbd52db",
    "account":{"id":"acc","name":"Example"}, "organization":{"id":"org"},
    "action":{"description":"Add Member","result":"success","time":"2024-04-26T17:31:07Z","type":"create"},
    "actor":{"context":"dash","email":"","id":"u","ip_address":"2001:db8::1","token_id":null,"type":"user"},
    "raw":{"cf_ray_id":"8e","method":"POST","status_code":200,"uri":"/x","user_agent":"é \\"q\\""},
    "resource":{"id":"r","product":"members","scope":"accounts","request":${REQUEST},"response":{},"value":[1]},
    "zone":{"name":"example.com"},
    "interface":"API","owner":{"id":"o"},"metadata":{"k":"v"},"oldValue":"was","newValue":null}`;

  test('fills the event, with null where the producer had no value', () => {
    expect(parse(LINE)).toEqual({
      ok: true,
      tenant: { kind: 'account', id: 'acc' },
      event: {
        id: 'f174be97-19b1-40d6-954d-70cd5fbd52db',
        account: { id: 'acc', name: 'Example' },
        organization: { id: 'org', name: null },
        action: {
          description: 'Add Member',
          result: 'success',
          time: Date.parse('2024-04-26T17:31:07Z') * 1000,
          type: 'create',
        },
        actor: {
          context: 'dash',
          email: '',
          id: 'u',
          ip_address: '2001:db8::1',
          token_id: null,
          token_name: null,
          type: 'user',
        },
        raw: { cf_ray_id: '8e', method: 'POST', status_code: 200, uri: '/x', user_agent: 'é "q"' },
        resource: {
          id: 'r',
          product: 'members',
          request: REQUEST,
          response: '{}',
          scope: 'accounts',
          type: null,
          value: '[1]',
        },
        zone: { id: null, name: 'example.com' },
        interface: 'API',
        owner: { id: 'o' },
        metadata: '{"k":"v"}',
        old_value: '"was"',
        new_value: null,
      },
    });
  });

  test('keeps bodies exactly as they were written, whatever valid JSON they are', () => {
    const spacedJson = fc
      .tuple(fc.jsonValue({ maxDepth: 8 }), fc.constantFrom('', ' ', '\t'))
      .map(([value, space]) => JSON.stringify(value, null, space));
    fc.assert(
      fc.property(spacedJson, (body) => {
        const event = eventOf(withMember(`"resource":{"request":${body},"id":"after"}`));
        expect(event.resource.request).toBe(body === 'null' ? null : body);
        expect(event.resource.id).toBe('after');
      }),
    );
  });

  test('takes a body exactly when JSON.parse does', () => {
    const broken = fc
      .tuple(
        fc.json({ maxDepth: 3 }),
        fc.nat(),
        fc.constantFrom(
          '{',
          '}',
          '[',
          ']',
          '"',
          ',',
          ':',
          '\\',
          '0',
          '-',
          '.',
          'e',
          't',
          'n',
          ' ',
          '\u0001',
        ),
        fc.nat(2),
      )
      .map(([json, place, character, removed]) => {
        const at = place % (json.length + 1);
        return json.slice(0, at) + character + json.slice(at + removed);
      });
    fc.assert(
      fc.property(broken, (body) => {
        let expected = true;
        try {
          JSON.parse(`{"request":${body}}`);
        } catch {
          expected = false;
        }
        // A change that makes two members out of the body is refused by name.
        const reason = reasonOf(withMember(`"resource":{"request":${body}}`));
        const asExpected = expected === (reason === 'accepted');
        expect(asExpected || /^unknown member|given twice/.test(reason)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what is missing is assigned or asked for', () => {
  test('an id and a time are assigned', () => {
    for (const line of ['{"account":{"id":"a"}}', withMember('"id":null,"action":{"time":null}')]) {
      expect(eventOf(line)).toMatchObject({ id: 'new-id', action: { time: 42 } });
    }
  });

  test('the event is of the account, else the organization, else the line is refused', () => {
    expect(parse('{"organization":{"id":"o"},"account":{"id":"a"}}')).toMatchObject({
      tenant: { kind: 'account', id: 'a' },
    });
    expect(parse('{"organization":{"id":"o"},"account":null}')).toMatchObject({
      tenant: { kind: 'organization', id: 'o' },
    });
    expect(reasonOf('{}')).toBe('account.id or organization.id is required');
    expect(reasonOf('{"account":{"name":"n"},"organization":{"id":"o"}}')).toBe(
      'account.id is required',
    );
    expect(reasonOf('{"account":{"id":null}}')).toBe('account.id is required');
    expect(reasonOf(withMember('"owner":{}'))).toBe('owner.id is required');
  });

  test('members that are null or left out leave the same event', () => {
    const members = ['action', 'actor', 'raw', 'resource', 'zone', 'organization', 'interface'];
    const nulls = members.map((name) => `"${name}":null`).join(',');
    expect(eventOf(withMember(nulls))).toEqual(eventOf('{"account":{"id":"a"}}'));
  });
});

describe('reasons name the member and what it must be', () => {
  test.each([
    ['"id":""', 'id must be 1 to 128 visible ASCII characters'],
    ['"id":7', 'id must be a string'],
    ['"actor":{"email":["a"]}', 'actor.email must be a string'],
    ['"actor":"me"', 'actor must be an object'],
    ['"zone":[]', 'zone must be an object'],
    ['"raw":{"status_code":"200"}', 'raw.status_code must be an integer from 0 to 2147483647'],
    ['"raw":{"status_code":-1}', 'raw.status_code must be an integer from 0 to 2147483647'],
    ['"raw":{"status_code":0200}', 'raw.status_code must be an integer from 0 to 2147483647'],
    [
      '"action":{"time":1714152667}',
      'action.time must be an RFC 3339 date-time, such as 2026-05-21T15:00:00Z',
    ],
    [
      '"action":{"time":"yesterday"}',
      'action.time must be an RFC 3339 date-time, such as 2026-05-21T15:00:00Z',
    ],
    [
      '"action":{"time":"1969-12-31T23:59:59.999999Z"}',
      'action.time must lie in the years 1970 to 2199',
    ],
    ['"action":{"time":"2200-01-01T00:00:00Z"}', 'action.time must lie in the years 1970 to 2199'],
    [
      '"resource":{"colour":1}',
      'unknown member "colour" in resource; known are id, product, request, response, scope, type, value',
    ],
    [
      '"resource":{"request":{"a":tru}}',
      'resource.request is not JSON at byte 5: a value was expected',
    ],
    ['"resource":{"request":}', 'resource.request is not JSON at byte 0: a value was expected'],
    ['"id":"1" "zone":null', 'not JSON at character 31: a comma or a closing brace was expected'],
    ['"id" "1"', 'not JSON at character 27: a colon was expected'],
    ['"id":"1",', 'not JSON at character 31: a key was expected'],
    ['id:1', 'not JSON at character 22: a key was expected'],
    ['"id":"\\x"', 'not JSON at character 27: an unknown escape in a string'],
  ])('%s', (member, reason) => {
    expect(reasonOf(withMember(member))).toBe(reason);
  });

  test.each([
    ['', 'not a JSON object'],
    ['[]', 'not a JSON object'],
    ['{"id":"1"', 'not JSON at character 9: a comma or a closing brace was expected'],
    ['{"id":"1', 'not JSON at character 8: the line ends inside a string'],
    ['{"metadata":[1,', 'not JSON at character 15: the line ends inside a value'],
    ['{"account":{"id":"a"}} {', 'not JSON at character 23: something follows the object'],
  ])('%s', (line, reason) => {
    expect(reasonOf(line)).toBe(reason);
  });

  test('bytes that are not UTF-8 are named by their place, genuine U+FFFD before them is not', () => {
    const line = Buffer.from(withMember('"id":"é\ufffd?"'));
    expect(reasonOf(line)).toBe('id must be 1 to 128 visible ASCII characters');
    const place = line.indexOf('?');
    line[place] = 0xff;
    expect(reasonOf(line)).toBe(`not UTF-8 at byte ${place}`);
    const cut = Buffer.from('{"id":"\u20ac').subarray(0, -1);
    expect(reasonOf(cut)).toBe('not UTF-8 at byte 7');
  });

  test('a line above the limit is refused, one at the limit is not', () => {
    const line = Buffer.from('{"account":{"id":"a"}}');
    const at = (maxLineBytes: number) => parseEventItem(line, { ...OPTIONS, maxLineBytes });
    expect(at(line.length)).toMatchObject({ ok: true });
    expect(at(line.length - 1)).toEqual({
      ok: false,
      reason: 'the line has 22 bytes, the limit is 21',
    });
  });
});
