import { expect, test } from 'vitest';
import { titleOf } from './badge';
import { conversationOf, messageOf } from './route';

test('an address names a conversation, or none', () => {
  expect(conversationOf('#/c/0198c0de-0000-7000-8000-000000000001')).toBe(
    '0198c0de-0000-7000-8000-000000000001',
  );
  for (const other of ['', '#', '#/c/', '#/c/a/b', '#/c/<img>', '#token=abc', `#/c/${'a'.repeat(65)}`])
    expect(conversationOf(other)).toBeUndefined();
});

test('an address may name a message, too', () => {
  expect([conversationOf('#/c/a-1/17'), messageOf('#/c/a-1/17')]).toEqual(['a-1', 17]);
  for (const other of ['#/c/a-1', '#/c/a-1/', '#/c/a-1/x', '#/c/a-1/1/2'])
    expect(messageOf(other)).toBeUndefined();
});

test('the title says what is open and how much is unread', () => {
  expect(titleOf(0, undefined)).toBe('Tidings');
  expect(titleOf(3, 'Crew')).toBe('(3) Crew · Tidings');
  expect(titleOf(100, undefined)).toBe('(99+) Tidings');
});
