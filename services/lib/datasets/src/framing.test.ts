import avro from 'avsc';
import { describe, expect, test } from 'vitest';
import { EVENT_TYPE } from './event-schema.ts';
import { schemaFingerprint } from './fingerprint.ts';
import { confluentHeader, fingerprintHex, parseFraming, singleObjectHeader } from './framing.ts';

describe('fingerprints', () => {
  // From the test data of the Avro project, share/test/data/schema-tests.txt.
  test.each([
    ['null', 7195948357588979594n],
    ['boolean', -6970731678124411036n],
    ['int', 8247732601305521295n],
    ['long', -3434872931120570953n],
    ['float', 5583340709985441680n],
    ['double', -8181574048448539266n],
    ['bytes', 5746618253357095269n],
    ['string', -8142146995180207161n],
    [{ fields: [], type: 'record', name: 'foo', doc: 'x' }, -4824392279771201922n],
  ])('%j', (schema, fingerprint) => {
    expect(BigInt.asIntN(64, schemaFingerprint(avro.Type.forSchema(schema as avro.Schema)))).toBe(
      fingerprint,
    );
  });

  test('the schema of our records has not changed', () => {
    // Records in a log name it. Who changes audit_event.avsc keeps the earlier one beside it, as
    // audit_event.<version>.avsc, before putting the new fingerprint here.
    expect(fingerprintHex(schemaFingerprint(EVENT_TYPE))).toBe('f1a69a2ee82466f0');
  });
});

describe('framing', () => {
  test('tells both kinds and where the event begins', () => {
    const header = singleObjectHeader(schemaFingerprint(avro.Type.forSchema('int')));
    // The order of the bytes is little-endian: 0x7275d51a3f395c8f.
    expect(header.toString('hex')).toBe('c3018f5c393f1ad57572');
    expect(parseFraming(header)).toEqual({
      kind: 'single-object',
      fingerprint: '8f5c393f1ad57572',
      bodyAt: 10,
    });
    expect(parseFraming(Buffer.from([0, 0, 1, 0, 2, 9]))).toEqual({
      kind: 'confluent',
      id: 65538,
      bodyAt: 5,
    });
  });

  test('neighbours of different framing are not mixed up', () => {
    const fingerprints = [1n, 2n, 1n << 32n, 2n];
    const framings = fingerprints.map((value) => parseFraming(singleObjectHeader(value)));
    expect(framings).toMatchObject([
      { fingerprint: '0100000000000000' },
      { fingerprint: '0200000000000000' },
      { fingerprint: '0000000001000000' },
      { fingerprint: '0200000000000000' },
    ]);
    const ids = [1, 2, 0x7fffffff];
    expect(ids.map((id) => parseFraming(confluentHeader(id)))).toMatchObject(
      ids.map((id) => ({ id })),
    );
  });

  test.each([
    '',
    'c3',
    'c301',
    'c30100112233445566',
    '00',
    '00000001',
    '0080000001',
    'c302',
    '01',
    'ffffffff',
  ])('%j is neither', (hex) => {
    expect(parseFraming(Buffer.from(hex, 'hex'))).toBeUndefined();
  });
});
