import { expect, test } from 'vitest';
import type { Entry } from '../sdk/frames';
import { dayName, dayOf } from './formats';
import { rows } from './timeline';

const NOON = new Date(2026, 5, 10, 12).getTime();
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const entry = (seq: number, sender: string, timestamp: number, kind = 'text'): Entry => ({
  type: 'entry',
  conversation_id: 'c',
  seq,
  id: `${seq}`,
  kind,
  sender: { id: sender, type: 'user' },
  content: {},
  timestamp,
});
const ALL = { from: 1, to: undefined };

test('a day begins with its first entry', () => {
  const log = [entry(1, 'ann', NOON - DAY), entry(2, 'ann', NOON), entry(3, 'ann', NOON + MINUTE)];
  expect(rows(log, ALL, undefined).map((row) => row.day)).toEqual([
    dayOf(NOON - DAY),
    dayOf(NOON),
    undefined,
  ]);
  // A part that begins within a day does not repeat it.
  expect(rows(log, { from: 3, to: undefined }, undefined)[0]?.day).toBeUndefined();
});

test('messages of one sender are together until another, a pause or the line of what is new', () => {
  const log = [
    entry(1, 'ann', NOON),
    entry(2, 'ann', NOON + MINUTE),
    entry(3, 'bob', NOON + 2 * MINUTE),
    entry(4, 'bob', NOON + 20 * MINUTE),
    entry(5, 'bob', NOON + 20 * MINUTE),
    entry(6, 'ann', NOON + 21 * MINUTE, 'system'),
  ];
  const shape = (newFrom?: number) =>
    rows(log, ALL, newFrom).map(
      (row) => `${row.isNew ? '!' : ''}${row.starts ? '<' : ''}${row.ends ? '>' : ''}`,
    );
  expect(shape()).toEqual(['<', '>', '<>', '<', '>', '<>']);
  expect(shape(5)).toEqual(['<', '>', '<>', '<>', '!<>', '<>']);
});

test('notices stand by themselves, as all that is no text does', () => {
  const log = ['text', 'notice', 'notice', 'pin', 'text'].map((kind, at) => entry(at + 1, 'ann', NOON, kind));
  expect(rows(log, ALL, undefined).every((row) => row.starts && row.ends)).toBe(true);
});

test('what is between two rows and not shown parts none of them', () => {
  const log = [entry(1, 'ann', NOON), entry(7, 'ann', NOON + MINUTE)];
  expect(rows(log, ALL, undefined).map((row) => [row.starts, row.ends])).toEqual([
    [true, false],
    [false, true],
  ]);
});

test('a part is cut at both ends', () => {
  const log = [1, 2, 3, 4, 5].map((seq) => entry(seq + 100, 'ann', NOON));
  const part = rows(log, { from: 102, to: 104 }, undefined);
  expect(part.map((row) => row.entry.seq)).toEqual([102, 103, 104]);
  expect([part[0]?.starts, part[2]?.ends]).toEqual([false, false]);
  expect(rows([], ALL, undefined)).toEqual([]);
});

test('days are called by the reader’s distance to them', () => {
  expect(dayName(dayOf(NOON), NOON)).toBe('Today');
  expect(dayName(dayOf(NOON - DAY), NOON)).toBe('Yesterday');
  expect(dayName(dayOf(NOON - 3 * DAY), NOON)).toMatch(/7/);
  expect(dayName(dayOf(NOON - 400 * DAY), NOON)).toMatch(/2025/);
});
