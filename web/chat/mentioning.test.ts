import { expect, test } from 'vitest';
import { meantAt, membersMeant, withMember } from './mentioning';

const members = [
  { user_id: 'ann', name: 'Ann' },
  { user_id: 'bo', name: 'Bo Annis' },
  { user_id: 'u-7', name: 'Änne' },
];
const ids = (prefix: string) => membersMeant(prefix, members, 'me').map(({ user_id }) => user_id);

test('a name is being written behind an @ that is in no word', () => {
  expect(meantAt('hi @an', 6)).toEqual({ from: 4, prefix: 'an' });
  expect(meantAt('@', 1)).toEqual({ from: 1, prefix: '' });
  expect(meantAt('hi @än there', 6)).toEqual({ from: 4, prefix: 'än' });
  for (const text of ['mail@an', 'hi an', 'hi @ann ', '@@a'])
    expect(meantAt(text, text.length)).toBeUndefined();
});

test('members are meant by their names and ids, and by later words of their names', () => {
  expect(ids('an')).toEqual(['ann', 'bo']);
  expect(ids('ÄN')).toEqual(['u-7']);
  expect(ids('u-')).toEqual(['u-7']);
  expect(ids('')).toEqual(['ann', 'bo', 'u-7']);
  expect(membersMeant('', members, 'ann').map(({ user_id }) => user_id)).toEqual(['bo', 'u-7']);
});

test('the name is put where it was begun', () => {
  expect(withMember('hi @bo you', { from: 4, prefix: 'bo' }, { user_id: 'bo', name: 'Bo Annis' })).toEqual([
    'hi @Bo Annis  you',
    13,
  ]);
  expect(withMember('@', { from: 1, prefix: '' }, { user_id: 'x', name: '' })).toEqual(['@x ', 3]);
});
