import { expect, test } from 'vitest';
import { entry, pin } from './fake';
import { counts, isBlank, isMessage, newestMessage } from './kinds';

const notice = { ...entry(3), kind: 'notice', content: { body: 'at six' } };
const blank = { ...entry(4), content: {} };

test('texts, cards, calls and the like are messages, and nothing else is', () => {
  expect([entry(1), notice, blank].every(isMessage)).toBe(true);
  for (const kind of ['card', 'encrypted', 'call']) expect(isMessage({ ...entry(1), kind })).toBe(true);
  const others = ['pin', 'system', 'reaction', 'Text', ''].map((kind) => ({ ...entry(1), kind }));
  expect(others.some(isMessage)).toBe(false);
});

test('an entry without content is blank, whatever came instead of it', () => {
  expect([blank, { content: undefined }, { content: null }].every(isBlank)).toBe(true);
  expect([entry(1), pin(2, 1, false), notice].some(isBlank)).toBe(false);
});

test('messages of others count, unless they are blank', () => {
  expect([entry(1), notice].every((one) => counts(one, 'ann'))).toBe(true);
  expect([entry(1), notice].some((one) => counts(one, 'bob'))).toBe(false);
  expect([blank, pin(2, 1), { ...entry(1), kind: 'later' }].some((one) => counts(one, 'ann'))).toBe(false);
});

test('the newest message of a list is its last entry, where that is one', () => {
  expect(newestMessage({ last_entry: notice })).toBe(notice);
  const last_message = entry(1);
  expect(newestMessage({ last_entry: pin(2, 1), last_message })).toBe(last_message);
  expect(newestMessage({ last_entry: pin(2, 1) })).toBeUndefined();
  expect(newestMessage({})).toBeUndefined();
});

test('a reply in a thread is the newest message of a list only where it stands among all of them', () => {
  const last_message = entry(1);
  const reply = { ...entry(2), thread: 1 };
  expect(newestMessage({ last_entry: reply, last_message })).toBe(last_message);
  const shown = { ...reply, also_in_main: true };
  expect(newestMessage({ last_entry: shown, last_message })).toBe(shown);
});
