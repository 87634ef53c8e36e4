import { expect, test } from 'vitest';
import { entry } from '../sdk/fake';
import type { MessageState } from '../sdk/fold';
import type { Entry } from '../sdk/frames';
import type { Operation } from '../sdk/types';
import { mineOf, stateOf } from './folded';
import type { Session } from './session';

const own = { client_id: 'c', written_at: 9, conversation_id: entry(1).conversation_id };
const react = (key: string, on: boolean, seq = 1): Operation => ({ ...own, type: 'react', seq, key, on });
const reaction = (seq: number, who: string, key: string): Entry => ({
  ...entry(seq),
  kind: 'reaction',
  target: 1,
  content: { key, on: true },
  sender: { id: who, type: 'user' },
});

function sessionOf(entries: Entry[], pending: Operation[] = []): Session {
  const session = { userId: 'ann', entries: () => entries, pending: { value: pending }, reacted: [] };
  return session as unknown as Session;
}

test('a message that nothing has changed has no state, and else always the same one', () => {
  const entries = [entry(1), entry(2), reaction(3, 'bob', 'x')];
  const session = sessionOf(entries);
  expect(stateOf(session, entry(2))).toBeUndefined();
  const state = stateOf(session, entry(1));
  expect(state?.reactions).toEqual({ x: { n: 1, by: ['bob'] } });
  entries.push(entry(4));
  expect(stateOf(session, entry(1))).toBe(state);
});

test('what was asked for is shown before the server has answered', () => {
  const entries = [entry(1), reaction(2, 'bob', 'x'), reaction(3, 'ann', 'y')];
  const edit: Operation = { ...own, type: 'edit', seq: 1, content: { text: 'b' } };
  const state = stateOf(
    sessionOf(entries, [react('x', true), react('y', false), edit, react('z', true, 2)]),
    entry(1),
  );
  expect(state?.reactions).toEqual({ x: { n: 2, by: ['bob', 'ann'] } });
  expect(state).toMatchObject({ content: { text: 'b' }, edited: { count: 1 } });
});

test('an own reaction of which no entry tells is shown as soon as it is stored', () => {
  const tally = { ...reaction(2, '_tidings', 'x'), kind: 'tally', content: { reactions: { x: 900 } } };
  const entries = [entry(1), tally];
  const session = sessionOf(entries);
  const { conversation_id } = own;
  expect(stateOf(session, entry(1))?.reactions).toEqual({ x: { n: 900 } });
  session.reacted.push({ conversation_id, seq: 1, key: 'x', on: true, at: 1, isNew: true });
  session.reacted.push({ conversation_id: 'other', seq: 1, key: 'z', on: true, at: 2, isNew: true });
  const state = stateOf(session, entry(1));
  expect([state?.reactions, mineOf(state, 'ann')]).toEqual([{ x: { n: 901 } }, ['x']]);
  expect(stateOf(session, entry(1))).toBe(state);
  // Opened again later it is one's own, and counted by the server.
  stateOf(sessionOf([entry(1)]), entry(1));
  const again = stateOf(session, entry(1));
  expect([again?.reactions, mineOf(again, 'ann')]).toEqual([{ x: { n: 900 } }, ['x']]);
});

test('the own reactions are those that name this user, and those that the server tells of', () => {
  const state: MessageState = {
    as_of: 3,
    tallied: true,
    reactions: { x: { n: 2, by: ['ann', 'bob'] }, y: { n: 900 } },
    mine: ['y'],
  };
  expect(mineOf(state, 'ann')).toEqual(['x', 'y']);
  expect(mineOf(undefined, 'ann')).toEqual([]);
});
