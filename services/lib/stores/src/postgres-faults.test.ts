import { StoreUnavailableError } from '@trailpush/core';
import pg from 'pg';
import { describe, expect, it } from 'vitest';

import { postgresConflict, postgresFault, UnsafeIntegerError } from './postgres-faults.ts';

const place = 'PostgreSQL at db:5432';
const server = { place, setting: 'DATABASE_URL' };

function sqlError(code: string): pg.DatabaseError {
  const error = new pg.DatabaseError('what the server says', 0, 'error');
  error.code = code;
  return error;
}

describe('an error of PostgreSQL', () => {
  it.each([
    ['08006', 'has lost the connection'],
    ['25006', 'must name the primary server'],
    ['25P03', 'had paused for too long'],
    ['28P01', 'check user and password'],
    ['3D000', 'has no such database'],
    ['42501', 'does not permit this'],
    ['53100', 'run out of disk space'],
    ['53300', 'or connections'],
    ['55P03', 'did not grant a lock'],
    ['57014', 'cancelled the statement'],
    ['57P01', 'is going down'],
    ['58030', 'check its disk'],
    ['XX001', 'damaged files'],
  ])('%s is trouble with the database: it %s', (code, sentence) => {
    const fault = postgresFault(sqlError(code), server) as Error;
    expect(fault).toBeInstanceOf(StoreUnavailableError);
    expect(fault.message).toContain(`${place} `);
    expect(fault.message).toContain(sentence);
    expect(fault.message).toContain(`(${code}: what the server says)`);
  });

  it.each(['42601', '42P01', '22003', '25P02', '23502', '40001', '23505'])(
    '%s passes as it is',
    (code) => {
      const error = sqlError(code);
      expect(postgresFault(error, server)).toBe(error);
    },
  );

  it('is a conflict when the same transaction may succeed later', () => {
    const codes = ['40001', '40P01', '23503', '23505', '23502', '42601'];
    expect(codes.map((code) => postgresConflict(sqlError(code)))).toEqual([
      'order',
      'order',
      'key',
      'key',
      undefined,
      undefined,
    ]);
    expect(postgresConflict(new Error('40001'))).toBeUndefined();
  });

  it('without a code means that the server cannot be reached', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED ::1:5432'), {
      code: 'ECONNREFUSED',
    });
    const everyAddress = new AggregateError([refused, new Error('another')]);
    for (const error of [refused, everyAddress]) {
      expect((postgresFault(error, server) as Error).message).toBe(
        `${place} cannot be reached (connect ECONNREFUSED ::1:5432): check that it runs and that DATABASE_URL is right`,
      );
    }
    const unsafe = new UnsafeIntegerError('9007199254740993');
    expect(postgresFault(unsafe, server)).toBe(unsafe);
  });
});
