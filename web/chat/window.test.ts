import { expect, test } from 'vitest';
import { around, down, follow, MOST, placesOf, type Range, ROWS, STEP, tail, up } from './window';

/** Entries from one seq to another; of those in between some may be none that is shown. */
const list = (first: number, last: number, isShown = (_seq: number) => true) =>
  Array.from({ length: last - first + 1 }, (_, at) => ({ seq: first + at })).filter(({ seq }) =>
    isShown(seq),
  );
type List = ReturnType<typeof list>;

const size = (range: Range, all: List) => {
  const [first, last] = placesOf(range, all);
  return last - first + 1;
};
const even = (seq: number) => seq % 2 === 0;

test('a log opens at its end', () => {
  expect(tail(list(1, 5_000))).toEqual({ from: 5_000 - ROWS + 1, to: undefined });
  expect(tail(list(1, 3))).toEqual({ from: 1, to: undefined });
});

test('entries that are not shown take no rows', () => {
  expect(tail(list(1, 5_000, even))).toEqual({ from: 5_000 - 2 * ROWS + 2, to: undefined });
  // Thousands of them at the end, or between two that are shown.
  const sparse = list(1, 9_000, (seq) => seq < 500 || seq === 8_000);
  expect(size(tail(sparse), sparse)).toBe(ROWS);
  expect(around(4_000, sparse)).toEqual({ from: 499 - STEP / 2 + 1, to: undefined });
});

test.each([
  ['every', () => true],
  ['every second', even],
  ['every fiftieth', (seq: number) => seq % 50 === 0],
])('up and down lead over %s entry with a bounded number of rows', (_, isShown) => {
  const all = list(1, 5_000, isShown);
  let range = tail(all);
  for (let next: Range | undefined = range; next; next = up(range, all)) {
    expect(next.from <= range.from).toBe(true);
    range = next;
    expect(size(range, all)).toBeLessThanOrEqual(MOST);
  }
  expect(range.from).toBe(all[0]?.seq);
  for (let next: Range | undefined = range; next; next = down(range, all)) {
    // What was drawn at the end is still drawn: nothing is skipped.
    expect(next.from).toBeLessThanOrEqual(range.to ?? 5_000);
    range = next;
    expect(size(range, all)).toBeLessThanOrEqual(MOST);
  }
  expect(range.to).toBeUndefined();
});

test('a place in the middle is shown with what is before it', () => {
  const from = 1_000 - STEP / 2;
  expect(around(1_000, list(1, 5_000))).toEqual({ from, to: from + MOST - 1 });
  expect(around(3, list(1, 20))).toEqual({ from: 1, to: undefined });
  expect(around(30, list(1, 20))).toEqual({ from: 1, to: undefined });
});

test('a reader at the end goes on with it, and a reader above it stays', () => {
  let end = tail(list(1, 100));
  let above = tail(list(1, 100));
  for (let last = 101; last <= 1_000; last += 7) {
    const all = list(1, last);
    end = follow(end, all, true);
    above = follow(above, all, false);
    expect(end.to).toBeUndefined();
    expect(size(end, all)).toBeLessThanOrEqual(MOST);
    expect(above.from).toBe(100 - ROWS + 1);
    expect(size(above, all)).toBeLessThanOrEqual(MOST);
  }
});

test('as long as nothing has to change the range is the same one', () => {
  const range = tail(list(1, 100));
  expect(follow(range, list(1, 110), true)).toBe(range);
  const part = { from: 10, to: 90 };
  expect(follow(part, list(1, 5_000), false)).toBe(part);
});

test('of a log that was replaced what is nearest to the place of its reader is shown', () => {
  const later = list(500, 900);
  expect(follow({ from: 10, to: 90 }, later, false)).toEqual(around(500, later));
  expect(follow({ from: 10, to: 90 }, later, true)).toEqual(tail(later));
  expect(follow({ from: 700, to: 790 }, list(500, 600), false)).toEqual(tail(list(500, 600)));
});

test('of a log that has lost its beginning the rest of what was shown stays', () => {
  expect(follow({ from: 10, to: 90 }, list(40, 600), false)).toEqual({ from: 40, to: 90 });
  expect(follow({ from: 10, to: undefined }, list(40, 100), false)).toEqual({ from: 40, to: undefined });
});

test('a range whose ends were emptied holds what is between them', () => {
  const all = list(1, 100, (seq) => seq !== 10 && seq !== 90);
  const range = follow({ from: 10, to: 90 }, all, false);
  expect(placesOf(range, all).map((at) => all[at]?.seq)).toEqual([11, 89]);
});
