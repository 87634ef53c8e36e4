import { expect, test } from 'vitest';
import type { Member } from '../sdk/rest';
import { markOf } from './marks';

const member = (user_id: string, delivered_seq: number, read_seq: number, from_seq = 1): Member => ({
  user_id,
  role: 'member',
  delivered_seq,
  read_seq,
  from_seq,
  name: user_id,
  avatar: '',
});
const nameOf = (user: string) => user;

test('with one other person a mark is one word', () => {
  const of = (delivered: number, read: number) =>
    markOf(5, { isGroup: false, others: [member('bob', delivered, read)], nameOf }).text;
  expect([of(4, 4), of(5, 4), of(5, 5), of(4, 5)]).toEqual(['sent', 'delivered', 'read', 'read']);
});

test('in a group a mark says of how many it is true', () => {
  const others = [member('bob', 9, 9), member('cid', 9, 2), member('dan', 1, 1)];
  expect(markOf(5, { isGroup: true, others, nameOf })).toEqual({
    word: 'delivered',
    text: 'read by 1 of 3',
    detail: 'Read by bob. Delivered to cid. Not yet delivered to dan',
  });
  expect(markOf(2, { isGroup: true, others, nameOf }).text).toBe('read by 2 of 3');
  expect(markOf(1, { isGroup: true, others, nameOf })).toMatchObject({ word: 'read', text: 'read' });
});

test('a member who joined later has not read what was written before', () => {
  const others = [member('bob', 9, 0), member('late', 9, 9, 8)];
  expect(markOf(5, { isGroup: true, others, nameOf }).text).toBe('delivered');
  expect(markOf(8, { isGroup: true, others, nameOf }).text).toBe('read by 1 of 2');
});

test('nothing is claimed of members who are not known', () => {
  expect(markOf(5, { isGroup: true, others: undefined, nameOf }).text).toBe('sent');
  expect(markOf(5, { isGroup: true, others: [], nameOf }).text).toBe('sent');
});
