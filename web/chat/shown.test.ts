import { expect, test } from 'vitest';
import { entry, pin } from '../sdk/fake';
import type { Entry } from '../sdk/frames';
import { placeOf, Shown } from './shown';

const blank = (seq: number): Entry => ({ ...entry(seq), content: {} });
const later = (seq: number): Entry => ({ ...entry(seq), kind: 'reaction', target: 1 });
const range = (first: number, last: number, one = entry) =>
  Array.from({ length: last - first + 1 }, (_, at) => one(first + at));
const seqs = (entries: readonly Entry[]) => entries.map(({ seq }) => seq);

test('blanks and kinds of later versions are not shown, and all else is', () => {
  const system = { ...entry(5), kind: 'system', content: { event: 'created' } };
  const notice = { ...entry(6), kind: 'notice', content: { body: 'at six' } };
  const log = [entry(1), blank(2), later(3), pin(4, 1), system, notice, { ...pin(7, 1), content: {} }];
  expect(seqs(new Shown().follow(log))).toEqual([1, 4, 5, 6]);
});

test('a log is followed at both ends', () => {
  const shown = new Shown();
  expect(seqs(shown.follow([entry(10), later(11)]))).toEqual([10]);
  expect(seqs(shown.follow([entry(10), later(11), entry(12), blank(13)]))).toEqual([10, 12]);
  expect(seqs(shown.follow([blank(8), entry(9), entry(10), later(11), entry(12), blank(13)]))).toEqual([
    9, 10, 12,
  ]);
  // The oldest were let go.
  expect(seqs(shown.follow([entry(12), blank(13), entry(14)]))).toEqual([12, 14]);
  expect(shown.follow([])).toEqual([]);
});

test('another log with the same numbers is looked at anew', () => {
  const shown = new Shown();
  shown.follow(range(1, 5));
  const other = range(1, 6, (seq) => ({ ...later(seq), id: `other-${seq}` }));
  expect(shown.follow(other)).toEqual([]);
  expect(seqs(shown.follow([...other, entry(7)]))).toEqual([7]);
  expect(seqs(shown.follow(range(40, 42)))).toEqual([40, 41, 42]);
});

test('what was emptied goes, wherever it was', () => {
  const shown = new Shown();
  const log = range(1, 5);
  shown.follow(log);
  for (const at of [0, 2, 4]) Object.assign(log[at] as Entry, { content: {} });
  expect(seqs(shown.follow(log, 1))).toEqual([2, 4]);
  expect(seqs(shown.follow([...log, entry(6)], 1))).toEqual([2, 4, 6]);
});

test('a new entry looks at nothing that was looked at before', () => {
  let looks = 0;
  const counted = (seq: number): Entry => ({
    ...entry(seq),
    get kind() {
      looks++;
      return 'text';
    },
  });
  const log = range(1, 5_000, counted);
  const shown = new Shown();
  shown.follow(log);
  const before = looks;
  for (let seq = 5_001; seq <= 5_010; seq++) {
    log.push(counted(seq));
    shown.follow(log);
  }
  expect(looks - before).toBeLessThanOrEqual(10 * 3);
  expect(shown.list).toHaveLength(5_010);
});

test('the place of a number is that of the next one that is there', () => {
  const list = [entry(2), entry(4), entry(9)];
  expect([0, 2, 3, 9, 10].map((seq) => placeOf(list, seq))).toEqual([0, 0, 1, 2, 3]);
});

test('what was deleted stays in its place, and what stands in a thread alone is not there', () => {
  const reply = (seq: number, more: object = {}): Entry => ({ ...entry(seq), thread: 1, ...more });
  const shown = new Shown((seq) => seq === 2);
  const log = [entry(1), blank(2), blank(3), reply(4), reply(5, { also_in_main: true })];
  expect(seqs(shown.follow(log))).toEqual([1, 2, 5]);
});

test('what is known to be deleted later is there then', () => {
  const deleted = new Set<number>();
  const shown = new Shown((seq) => deleted.has(seq));
  expect(seqs(shown.follow([entry(1), blank(2)], 'a'))).toEqual([1]);
  deleted.add(2);
  expect(seqs(shown.follow([entry(1), blank(2)], 'b'))).toEqual([1, 2]);
});
