import { expect, test } from 'vitest';
import { directId, sha256 } from './direct';
import { entry } from './fake';
import { digest } from './heads';
import { uuidv7 } from './ids';
import { Log, type Place } from './log';
import { claims } from './token';

const seqs = (log: Log) => log.entries.map((one) => one.seq);

test('client ids are UUIDs of version 7, ordered by time', () => {
  expect(uuidv7(1)).toMatch(/^00000000-0001-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uuidv7(1_763_678_000_000) < uuidv7(1_763_678_000_001)).toBe(true);
});

test('the SHA-256 is that of others', async () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 200]) {
    const text = new Uint8Array(length).map((_, at) => at * 7);
    expect(sha256(text)).toEqual(new Uint8Array(await crypto.subtle.digest('SHA-256', text)));
  }
});

test('a direct conversation has one id from both sides', () => {
  expect(directId('ann', 'bob')).toBe(directId('bob', 'ann'));
  expect(directId('ann', 'bob')).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});

test('computes the digest that the server computes', () => {
  const first = '0198c0de-0000-7000-8000-000000000001';
  const second = '0198c0de-0000-7000-8000-000000000002';
  const one: [string, Place] = [first, { seq: 1, id: '0198c0de-0000-7000-8000-0000000000ff' }];
  const other: [string, Place] = [second, { seq: 1_000_000, id: '0198c0de-0000-7000-8000-000000000100' }];
  expect(digest([one])).toBe(4168228564);
  expect(digest([other, one])).toBe(1986843991);
  expect(digest([[first, { seq: 0 }]])).toBe(0);
});

/** As another server, or one that was put back, has it. */
const another = (seq: number) => ({ ...entry(seq), id: `other-${seq}` });

test.each([
  ['the newest', 3],
  ['an earlier one', 2],
])(
  'a log that meets another entry in the place of %s takes nothing more until it is begun anew',
  (_, seq) => {
    const log = new Log();
    for (const at of [1, 2, 3]) log.add(entry(at));
    expect(log.add(entry(seq))).toEqual([]);
    expect(log.hasGap).toBe(false);
    expect(log.add(another(seq))).toEqual([]);
    expect([log.hasGap, log.place.seq, log.place.id]).toEqual([true, seq, `id-${seq}`]);
    expect(log.add(another(4))).toEqual([]);
    expect(log.addPage({ entries: [another(4)], reset: false }).taken).toEqual([]);
    const anew = log.addPage({ entries: [another(3), another(4)], reset: true });
    expect([anew.isReset, log.hasGap, log.place.id]).toEqual([true, false, 'other-4']);
    expect(log.entries.map((one) => one.id)).toEqual(['other-3', 'other-4']);
  },
);

test('a log that an earlier run left notices another entry in its place', () => {
  const log = new Log(10, { seq: 7, id: 'id-7' });
  expect(log.add(entry(7))).toEqual([]);
  expect(log.hasGap).toBe(false);
  log.add(another(7));
  expect([log.hasGap, log.place]).toEqual([true, { seq: 7, id: 'id-7' }]);
  const unknown = new Log(10, { seq: 7 });
  unknown.add(another(7));
  expect(unknown.hasGap).toBe(false);
});

test('a reset takes the place of what was held', () => {
  const log = new Log();
  log.add(entry(1));
  expect(log.addPage({ entries: [entry(7), entry(8)], reset: true })).toMatchObject({ isReset: true });
  expect(seqs(log)).toEqual([7, 8]);
});

test('a tail says where it begins', () => {
  const log = new Log();
  log.addPage({ entries: [entry(71), entry(72)], reset: false, skipped_before: 71 });
  log.addPage({ entries: [entry(73)], reset: false });
  expect([log.skippedBefore, log.cursor]).toEqual([71, 73]);
});

test('a log holds no more than it should, and more where older ones were asked for', () => {
  const log = new Log(100);
  for (let seq = 1; seq <= 1_000; seq++) log.add(entry(seq));
  expect(log.entries.length).toBeLessThanOrEqual(110);
  expect(log.cursor).toBe(1_000);
  const first = log.entries[0]?.seq ?? 0;
  log.addOlder(Array.from({ length: 50 }, (_, at) => entry(first - 50 + at)));
  expect(log.entries[0]?.seq).toBe(first - 50);
  log.trim(10);
  expect(seqs(log)).toEqual([991, 992, 993, 994, 995, 996, 997, 998, 999, 1000]);
});

test('older entries that do not join are not taken', () => {
  const log = new Log();
  log.addPage({ entries: [entry(71)], reset: false, skipped_before: 71 });
  log.addOlder([entry(50)]);
  expect(seqs(log)).toEqual([71]);
});

test('entries ahead of a gap are held up to a bound', () => {
  const log = new Log(10);
  for (let seq = 2; seq <= 100; seq++) log.add(entry(seq));
  expect(log.add(entry(1)).map((one) => one.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(log.hasGap).toBe(false);
});

test('a token says whose it is, in every script, and nothing where it cannot be read', () => {
  const bytes = new TextEncoder().encode(JSON.stringify({ sub: 'ann', name: 'Éloïse 李' }));
  const body = btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  expect(claims(`x.${body}.x`)).toEqual({ sub: 'ann', name: 'Éloïse 李' });
  for (const token of [undefined, '', 'x', 'a.b.c', 'x.bnVsbA.x']) expect(claims(token)).toEqual({});
});

test('a page that was repeated unasked takes the place of nothing', () => {
  const log = new Log();
  log.addPage({ entries: [entry(1), entry(2)], reset: false });
  expect(log.addPage({ entries: [entry(4), entry(5)], reset: false })).toEqual({ taken: [], isReset: false });
  expect(log.hasGap).toBe(true);
  expect(log.cursor).toBe(2);
  log.addPage({ entries: [entry(3)], reset: false });
  expect(log.cursor).toBe(5);
  expect(log.hasGap).toBe(false);
});
