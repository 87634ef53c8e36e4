import { expect, test } from 'vitest';
import { Drafts } from './drafts';

function memory() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
}

test('a draft is kept by user and conversation', () => {
  const storage = memory();
  const drafts = new Drafts(storage, 'ann');
  drafts.set('a', 'half a sen');
  drafts.set('b', 'other');
  drafts.set('b', '');
  const again = new Drafts(storage, 'ann');
  expect([again.get('a'), again.get('b')]).toEqual(['half a sen', '']);
  expect(new Drafts(storage, 'bob').get('a')).toBe('');
});

test('the draft that was written longest ago makes room', () => {
  const drafts = new Drafts(memory(), 'ann');
  for (let i = 0; i < 200; i++) drafts.set(`c${i}`, 'text');
  drafts.set('c0', 'written again');
  drafts.set('c200', 'text');
  expect([drafts.get('c0'), drafts.get('c1'), drafts.get('c200')]).toEqual(['written again', '', 'text']);
});

test('drafts survive storage that is full or broken', () => {
  const full = {
    getItem: () => '{"not": "a list"}',
    setItem: () => {
      throw new Error('full');
    },
  };
  const drafts = new Drafts(full, 'ann');
  drafts.set('a', 'text');
  expect(drafts.get('a')).toBe('text');
});
