import { expect, test } from 'vitest';
import { isUserId, userIdOf } from './names';

const NAMES = [
  'Анна',
  '李雷',
  '韩梅梅',
  'שרה',
  'مريم',
  'Ελένη',
  'ann',
  'Ann Lee',
  'ann-lee',
  'ann_lee',
  'Jürgen',
  'jurgen',
  '🙂',
  '-',
];

test('every name is a user of its own, in every script', () => {
  const ids = NAMES.map(userIdOf);
  expect(new Set(ids).size).toBe(NAMES.length);
  for (const id of ids) expect(isUserId(id), id).toBe(true);
});

test('the same name is the same user, whatever its case, spacing and form in Unicode', () => {
  expect(userIdOf('АННА')).toBe(userIdOf(' Анна '));
  expect(userIdOf('ann   lee')).toBe(userIdOf('Ann Lee'));
  expect(userIdOf('Ju\u0308rgen')).toBe(userIdOf('Jürgen'));
});

test('a name that can be an id is one, and others stay readable as far as they can', () => {
  expect(userIdOf('Bob')).toBe('bob');
  expect(userIdOf('Jürgen')).toMatch(/^jurgen\+[0-9a-z]{22}$/);
  expect(userIdOf('李雷')).toMatch(/^user\+[0-9a-z]{22}$/);
});

test('nobody gets another user by typing an id that was made of a name', () => {
  expect(userIdOf(userIdOf('Анна'))).not.toBe(userIdOf('Анна'));
});

test('a very long name is an id that the server takes', () => {
  expect(isUserId(userIdOf('x'.repeat(200)))).toBe(true);
  expect(userIdOf('x'.repeat(200))).not.toBe(userIdOf('x'.repeat(201)));
});
