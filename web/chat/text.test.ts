import { expect, test } from 'vitest';
import type { Entry } from '../sdk/frames';
import { clock } from './formats';
import { characters, describe, pieces } from './text';

const nameOf = (user: string) => user.toUpperCase();

function system(content: object): Entry {
  const sender = { id: 'ann', type: 'user', name: 'Ann' };
  const of = { type: 'entry', conversation_id: 'c', id: 'e', kind: 'system' } as const;
  return { ...of, seq: 1, sender, content, timestamp: 0 } as Entry;
}

test('an entry that names some of many says how many more there are', () => {
  const added = { event: 'members_added', members: ['bob', 'cleo'], count: 500 };
  expect(describe(system(added), nameOf)).toBe('ANN added BOB, CLEO and 498 more');
});

test('an entry that names all says no number', () => {
  const added = { event: 'members_added', members: ['bob'], count: 1 };
  expect(describe(system(added), nameOf)).toBe('ANN added BOB');
  // Of a version before there was a count.
  const older = { event: 'members_added', members: ['bob', 'cleo'] };
  expect(describe(system(older), nameOf)).toBe('ANN added BOB, CLEO');
});

test('a conversation without a title is begun, one with a title is made', () => {
  expect(describe(system({ event: 'created' }), nameOf)).toBe('ANN began this conversation');
  expect(describe(system({ event: 'created', title: 'Tea' }), nameOf)).toBe('ANN made “Tea”');
});

test('what ends a sentence does not belong to its link', () => {
  const links = (text: string) =>
    pieces(text)
      .filter((piece) => piece.link)
      .map((piece) => piece.text);
  expect(links('See https://a.example/b. And (https://a.example/c), https://a.example/d?e=f!')).toEqual([
    'https://a.example/b',
    'https://a.example/c',
    'https://a.example/d?e=f',
  ]);
  expect(links('https://a.example/wiki/A_(b) https://a.example/x…')).toEqual([
    'https://a.example/wiki/A_(b)',
    'https://a.example/x',
  ]);
  const all = 'Go to https://a.example. Then (see https://b.example/). 。';
  expect(
    pieces(all)
      .map((piece) => piece.text)
      .join(''),
  ).toBe(all);
});

test('characters are counted as the server counts them', () => {
  expect(characters('a🙂é')).toBe(3);
});

test('today is told by the time, any other day by its date', () => {
  const noon = new Date(2026, 10, 28, 12).getTime();
  expect(clock(noon - 60_000, noon)).toMatch(/11.59/);
  expect(clock(noon - 86_400_000, noon)).toMatch(/27/);
});
