import { account, auditEntry } from '@trailpush/test/kit/audit-entry.ts';
import { SeededRandom } from '@trailpush/test/kit/random.ts';
import { describe, expect, it } from 'vitest';

import { searchWordsOf, wordsOf } from './search-words.ts';

describe('the words of a text', () => {
  it.each([
    ['Add Member', ['add', 'member']],
    ['ann.lee+ci@example.com', ['ann', 'lee', 'ci', 'example', 'com']],
    ['/zones/0a1B/dns_records?x=1', ['zones', '0a1b', 'dns', 'records', 'x', '1']],
    ['f174be97-19b1', ['f174be97', '19b1']],
    ['a a A', ['a']],
    ['', []],
    [' .-_/@\0\n', []],
    ['Änderung STRASSE straße', ['änderung', 'strasse']],
    ['re\u0301sume\u0301 ré', ['résumé', 'ré']],
    ['ΟΔΟΣ.οδος', ['οδος']],
    ['本番環境 v2テスト', ['本', '番', '環', '境', 'v2', 'テ', 'ス', 'ト']],
    ['Ｆｕｌｌ ﬁle', ['full', 'file']],
    ['قاعدة جدار', ['قاعدة', 'جدار']],
    ['deploy 🚀 done', ['deploy', 'done']],
    ['half \ud83d of a pair', ['half', 'of', 'a', 'pair']],
    ['100% _x_', ['100', 'x']],
  ])('of %j are %j', (text, words) => {
    expect(wordsOf(text)).toEqual(words);
  });

  it('are the same whether or not another text forces the way for all scripts', () => {
    const random = new SeededRandom(3);
    const characters = ['a', 'Z', '9', ' ', '.', '/', '_', '@', '-'];
    for (let round = 0; round < 500; round += 1) {
      const text = Array.from({ length: random.between(0, 30) }, () => random.pick(characters));
      const plain = wordsOf(text.join(''));
      expect(wordsOf(`${text.join('')} é`).filter((word) => word !== 'é')).toEqual(plain);
      expect(plain.every((word) => /^[a-z0-9]+$/.test(word))).toBe(true);
    }
  });

  it('are cut, never inside a character', () => {
    expect(wordsOf('x'.repeat(100))).toEqual(['x'.repeat(64)]);
    expect(wordsOf('𝐀'.repeat(100))).toEqual(['a'.repeat(64)]);
    expect(wordsOf('𐐨'.repeat(100))).toEqual(['𐐨'.repeat(64)]);
  });

  it('are those of what an event is about, and no more than 200', () => {
    const facts = { tenant: account('a'), id: 'no', raw_user_agent: 'no', zone_name: 'no' };
    const entry = auditEntry({
      ...facts,
      action_description: 'Add Member',
      actor_email: 'ann@example.com',
      raw_uri: '/members',
    });
    expect(searchWordsOf(entry)).toEqual(['add', 'member', 'ann', 'example', 'com', 'members']);
    const long = Array.from({ length: 300 }, (_, index) => `w${index}`).join(' ');
    const words = searchWordsOf(auditEntry({ ...facts, action_description: long }));
    expect([words.length, words.at(-1)]).toEqual([200, 'w199']);
  });
});
