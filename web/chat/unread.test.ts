import { expect, test } from 'vitest';
import type { Entry } from '../sdk/frames';
import { between, COUNTED_TO, grown, read } from './unread';

const KINDS: Record<string, string> = { s: 'system', p: 'pin', n: 'notice', l: 'of a later version' };

/** A part of a log: a letter for each entry: a text of `m`ine, an`o`ther's, one that is `b`lank, or another kind. */
function log(first: number, kinds: string): Entry[] {
  return [...kinds].map((kind, at) => ({
    type: 'entry',
    conversation_id: 'c',
    seq: first + at,
    id: `${first + at}`,
    kind: KINDS[kind] ?? 'text',
    sender: { id: kind === 'm' ? 'me' : 'other', type: 'user' },
    content: kind === 'b' ? {} : { text: '…' },
    timestamp: 0,
  }));
}

test('own messages and what happened to the conversation are not unread', () => {
  expect(between(log(1, 'somoo'), 0, 5, 'me')).toBe(3);
  expect(between(log(1, 'somoo'), 3, 5, 'me')).toBe(2);
  expect(between(log(1, 'somoo'), 5, 5, 'me')).toBe(0);
});

test('messages alone are unread: texts and notices, unless they are blank', () => {
  expect(between(log(1, 'onpblsmo'), 0, 8, 'me')).toBe(3);
  const counted = { head: 3, my_read_seq: 1, unread: 2 };
  expect(grown(counted, 8, log(1, 'ooopblsn'), 'me')).toEqual({ head: 8, my_read_seq: 1, unread: 3 });
});

test('of entries that are not held nothing is said', () => {
  expect(between(log(10, 'ooo'), 8, 12, 'me')).toBeUndefined();
  expect(between(log(10, 'ooo'), 9, 13, 'me')).toBeUndefined();
  expect(between([], 0, 1, 'me')).toBeUndefined();
  expect(between(log(10, 'ooo'), 9, 12, 'me')).toBe(3);
});

test('what arrives is added to the count of the server', () => {
  const counted = { head: 120, my_read_seq: 0, unread: 119 };
  expect(grown(counted, 121, log(71, 'o'.repeat(51)), 'me')).toEqual({ ...counted, head: 121, unread: 120 });
  expect(grown(counted, 120, [], 'me')).toBe(counted);
  expect(grown(counted, 130, log(125, 'oooooo'), 'me')).toBeUndefined();
});

test('what was read before it arrived is not unread', () => {
  const counted = { head: 5, my_read_seq: 7, unread: 0 };
  expect(grown(counted, 8, log(5, 'oooo'), 'me')).toEqual({ head: 8, my_read_seq: 7, unread: 1 });
});

test('reading leaves what is behind it, as far as that is known', () => {
  const counted = { head: 120, my_read_seq: 0, unread: 99 };
  expect(read(counted, 120, [], 'me')).toEqual({ head: 120, my_read_seq: 120, unread: 0 });
  expect(read(counted, 110, log(101, 'o'.repeat(20)), 'me')?.unread).toBe(10);
  // Behind it is not held, and what was read is.
  expect(read(counted, 10, log(1, 'o'.repeat(40)), 'me')?.unread).toBe(89);
  expect(read(counted, 60, log(101, 'o'.repeat(20)), 'me')).toBeUndefined();
  expect(read({ ...counted, my_read_seq: 60 }, 50, [], 'me')?.my_read_seq).toBe(60);
});

test('a count that ended at its limit is not counted down', () => {
  const counted = { head: 2_000, my_read_seq: 0, unread: COUNTED_TO };
  expect(read(counted, 10, log(1, 'o'.repeat(40)), 'me')).toBeUndefined();
  expect(grown(counted, 2_001, log(1_990, 'o'.repeat(12)), 'me')?.unread).toBe(COUNTED_TO + 1);
});
