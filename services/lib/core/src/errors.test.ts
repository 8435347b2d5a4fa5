import { describe, expect, it } from 'vitest';
import { messageOf } from './errors.ts';

describe('what an error says', () => {
  it.each<[unknown, string]>([
    [new Error('it is full'), 'it is full'],
    ['a text', 'a text'],
    [new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }), 'ECONNREFUSED'],
    [
      new TypeError('fetch failed', {
        cause: Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' }),
      }),
      'ECONNREFUSED',
    ],
    [new TypeError('fetch failed'), 'fetch failed'],
  ])('of %j is %s', (error, message) => {
    expect(messageOf(error)).toBe(message);
  });
});
