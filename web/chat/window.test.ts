import { expect, test } from 'vitest';
import { around, down, follow, MOST, type Range, ROWS, STEP, tail, up, visible } from './window';

const size = (range: Range, last: number) => (range.to ?? last) - range.from + 1;

test('a log opens at its end', () => {
  expect(tail(1, 5_000)).toEqual({ from: 5_000 - ROWS + 1, to: undefined });
  expect(tail(1, 3)).toEqual({ from: 1, to: undefined });
});

test('up and down lead over every entry with a bounded number of rows', () => {
  const last = 5_000;
  let range = tail(1, last);
  for (let next: Range | undefined = range; next; next = up(range, 1, last)) {
    expect(next.from <= range.from).toBe(true);
    range = next;
    expect(size(range, last)).toBeLessThanOrEqual(MOST);
  }
  expect(range.from).toBe(1);
  for (let next: Range | undefined = range; next; next = down(range, last)) {
    // What was drawn at the end is still drawn: nothing is skipped.
    expect(next.from).toBeLessThanOrEqual(range.to ?? last);
    range = next;
    expect(size(range, last)).toBeLessThanOrEqual(MOST);
  }
  expect(range.to).toBeUndefined();
});

test('a place in the middle is shown with what is before it', () => {
  expect(around(1_000, 1, 5_000)).toEqual({ from: 1_000 - STEP / 2, to: 1_000 - STEP / 2 + MOST - 1 });
  expect(around(3, 1, 20)).toEqual({ from: 1, to: undefined });
});

test('whoever reads the end goes on with it, and whoever reads above it stays', () => {
  let end = tail(1, 100);
  let above = tail(1, 100);
  for (let last = 101; last <= 1_000; last += 7) {
    end = follow(end, 1, last, true);
    above = follow(above, 1, last, false);
    expect(end.to).toBeUndefined();
    expect(size(end, last)).toBeLessThanOrEqual(MOST);
    expect(above.from).toBe(100 - ROWS + 1);
    expect(size(above, last)).toBeLessThanOrEqual(MOST);
  }
});

test('of a log that was replaced what is nearest to the place of its reader is shown', () => {
  expect(follow({ from: 10, to: 90 }, 500, 900, false)).toEqual(around(500, 500, 900));
  expect(follow({ from: 10, to: 90 }, 500, 900, true)).toEqual(tail(500, 900));
  expect(follow({ from: 700, to: 790 }, 500, 600, false)).toEqual(tail(500, 600));
});

test('of a log that has lost its beginning the rest of what was shown stays', () => {
  expect(follow({ from: 10, to: 90 }, 40, 600, false)).toEqual({ from: 40, to: 90 });
  expect(follow({ from: 10, to: undefined }, 40, 100, false)).toEqual({ from: 40, to: undefined });
});

test('only the rows near the view are drawn', () => {
  expect(visible(500, 50, 0, 500, 6)).toEqual([0, 16]);
  expect(visible(500, 50, 5_000, 500, 6)).toEqual([94, 116]);
  expect(visible(500, 50, 24_500, 500, 6)).toEqual([484, 500]);
  expect(visible(0, 50, 0, 500, 6)).toEqual([0, 0]);
});
