import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Typing, writing } from './typing';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a writer who goes on is told without a break', () => {
  const typing = new Typing();
  for (let round = 0; round < 10; round++) {
    typing.heard('c', 'ann', true, 6_000);
    vi.advanceTimersByTime(6_100);
    expect(typing.in('c')).toEqual(['ann']);
  }
  vi.advanceTimersByTime(10_000);
  expect(typing.in('c')).toEqual([]);
});

test('each of several writers ends by themselves, in their own conversation', () => {
  const typing = new Typing();
  typing.heard('c', 'ann', true, 6_000);
  vi.advanceTimersByTime(4_000);
  typing.heard('c', 'bob', true, 6_000);
  typing.heard('d', 'ann', true, 6_000);
  expect(typing.in('c')).toEqual(['ann', 'bob']);
  vi.advanceTimersByTime(4_000);
  expect(typing.in('c')).toEqual(['bob']);
  typing.heard('c', 'bob', false);
  expect([typing.in('c'), typing.in('d')]).toEqual([[], ['ann']]);
});

test('up to two are told by name', () => {
  const words = (...users: string[]) => writing(users, (user) => user.toUpperCase());
  expect(words()).toBe('');
  expect(words('ann')).toBe('ANN is writing…');
  expect(words('ann', 'bob')).toBe('ANN and BOB are writing…');
  expect(words('ann', 'bob', 'cid')).toBe('several people are writing…');
});
