import { expect, test } from 'vitest';
import type { Entry } from '../sdk/frames';
import { Log } from '../sdk/log';
import { lost } from './kept';

const entry = (seq: number) => ({ type: 'entry', seq }) as Entry;

/** A log of at most so many entries, and what was held of it before the last one came. */
function grownTo(last: number, limit: number) {
  const log = new Log(limit);
  for (let seq = 1; seq < last; seq++) log.add(entry(seq));
  const before = log.entries;
  log.add(entry(last));
  return { log, before };
}

test('what a reader has in view is put back when the client lets it go, again and again', () => {
  const log = new Log(20);
  for (let seq = 1; seq <= 20; seq++) log.add(entry(seq));
  let before = log.entries;
  for (let seq = 21; seq <= 200; seq++) {
    log.add(entry(seq));
    log.addOlder(lost(before, log.entries, 5));
    before = log.entries;
    expect(log.entries[0]?.seq ?? 0).toBeLessThanOrEqual(5);
    expect(log.entries.at(-1)?.seq).toBe(seq);
    expect(log.entries.length).toBe(seq - (log.entries[0]?.seq ?? 0) + 1);
  }
});

test('nothing is put back of what nobody reads, nor beyond the bound', () => {
  const { log, before } = grownTo(23, 20);
  expect(log.entries[0]?.seq).toBe(4);
  expect(lost(before, log.entries, 4)).toEqual([]);
  expect(lost(before, log.entries, 2).map(({ seq }) => seq)).toEqual([2, 3]);
  expect(lost(before, log.entries, 1, 22)).toEqual([]);
});

test('nothing is put back before a log that was replaced', () => {
  const { before } = grownTo(19, 20);
  expect(lost(before, [entry(10), entry(11)], 1)).toEqual([]);
  expect(lost(before, [], 1)).toEqual([]);
});
