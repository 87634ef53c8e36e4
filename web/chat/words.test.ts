import { expect, test } from 'vitest';
import { wordsOf } from './words';

test('a text says its text, and a notice its title and body', () => {
  expect(wordsOf({ kind: 'text', content: { text: 'hi', title: 'not of a text' } })).toBe('hi');
  expect(wordsOf({ kind: 'notice', content: { title: 'Rain', body: 'at six' } })).toBe('Rain\nat six');
  expect(wordsOf({ kind: 'notice', content: { body: 'at six' } })).toBe('at six');
});

test('a card says what stands for it, and what this page cannot show says what it is', () => {
  expect(wordsOf({ kind: 'card', content: { fallback: 'Vote: yes or no', card: {} } })).toBe(
    'Vote: yes or no',
  );
  expect(wordsOf({ kind: 'encrypted', content: { ciphertext: 'x' } })).toBe('Encrypted message');
  expect(wordsOf({ kind: 'call', content: { state: 'ended', outcome: 'missed' } })).toBe('Missed call');
  expect(wordsOf({ kind: 'call', content: { state: 'started' } })).toBe('Call');
});

test('an older notice says its text, and what is blank says nothing', () => {
  expect(wordsOf({ kind: 'notice', content: { text: 'Closed at six.' } })).toBe('Closed at six.');
  expect([wordsOf({ kind: 'notice', content: {} }), wordsOf({ kind: 'text', content: undefined })]).toEqual([
    '',
    '',
  ]);
});
