import { expect, test } from 'vitest';
import { found, groups, keep, recent } from './emoji';

const keys = (all: readonly { key: string }[]) => all.map(({ key }) => key);

test('each has its words, and is there once', () => {
  const all = groups.flatMap(({ emoji }) => emoji);
  expect(new Set(keys(all)).size).toBe(all.length);
  for (const { key, name } of all) {
    expect(key).toMatch(/^[^\x20-\x7e]+$/);
    expect(name).toMatch(/^[a-z ]+$/);
  }
});

test('they are found by the beginnings of their words, and what is typed is one, too', () => {
  expect(keys(found('thumbs u'))).toEqual(['👍']);
  expect(keys(found('Robot'))).toEqual(['🤖']);
  expect(found('obot')).toEqual([]);
  expect(keys(found('🦑'))[0]).toBe('🦑');
  expect(keys(found('👍'))).toEqual(['👍']);
  expect(found('').length).toBeGreaterThan(100);
});

test('what was chosen last comes first', () => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
  expect(keys(recent(storage))).toContain('👍');
  keep(storage, '🚀');
  keep(storage, '🐛');
  expect(keys(recent(storage)).slice(0, 3)).toEqual(['🐛', '🚀', '👍']);
  expect(recent(storage)).toHaveLength(8);
});
