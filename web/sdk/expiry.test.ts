import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Expiry } from './expiry';
import { conversation_id, entry, FakeSocket, online, start } from './fake';
import type { Entry } from './frames';

beforeEach(() => {
  FakeSocket.all = [];
  // With the real clock that measures.
  vi.useFakeTimers({ now: 1_000_000, toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const ending = (seq: number, inMs: number): Entry => ({
  ...entry(seq),
  expires_at: Date.now() + inMs,
  mentions: ['ann'],
  extra: { a: 1 },
  reply_to: 1,
});

function keeper() {
  const told: number[][] = [];
  const expiry = new Expiry((entries) => told.push(entries.map(({ seq }) => seq)));
  return { expiry, told };
}

test('an entry is emptied at its time, where it is, and keeps its place', () => {
  const { expiry, told } = keeper();
  const one = ending(5, 1_000);
  const { type, id, seq, kind, sender, timestamp, expires_at } = one;
  expiry.add([one]);
  vi.advanceTimersByTime(999);
  expect(one.content).toEqual({ text: 'number 5' });
  vi.advanceTimersByTime(1);
  expect(one).toEqual({ type, conversation_id, id, seq, kind, sender, timestamp, expires_at, content: {} });
  expect(told).toEqual([[5]]);
});

test('each ends at its own time, in whatever order they come', () => {
  const { expiry, told } = keeper();
  expiry.add([ending(1, 3_000), ending(2, 1_000)]);
  expiry.add([ending(3, 2_000), entry(4)]);
  expiry.add([ending(5, 1_000)]);
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual([[2, 5], [3], [1]]);
});

test('what is over already is emptied at once', () => {
  const { expiry, told } = keeper();
  expiry.add([ending(1, -5)]);
  expect(told).toEqual([[1]]);
});

test('it is looked every minute, for timers stand still while a computer sleeps', () => {
  const { expiry, told } = keeper();
  expiry.add([ending(1, 3_600_000)]);
  // The clock went on, and timers did not.
  vi.setSystemTime(Date.now() + 3_600_000);
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([[1]]);
});

test('what ends in a year does not end today', () => {
  const { expiry, told } = keeper();
  expiry.add([ending(1, 400 * 86_400_000)]);
  vi.advanceTimersByTime(3_600_000);
  expect(told).toEqual([]);
});

test('ten thousand that end together or one after the other take no time', () => {
  const { expiry, told } = keeper();
  const all = Array.from({ length: 10_000 }, (_, at) => ending(at, 1_000 + (at % 2) * at));
  const before = performance.now();
  for (let at = 0; at < all.length; at += 100) expiry.add(all.slice(at, at + 100));
  vi.advanceTimersByTime(60_000);
  expect(told.flat()).toHaveLength(10_000);
  expect(performance.now() - before).toBeLessThan(2_000);
});

test('a client empties what is in its logs, and tells of it', async () => {
  const { client } = start();
  const told: Entry[] = [];
  client.on('expired', (entries) => told.push(...entries));
  const socket = online();
  socket.hear(entry(1));
  socket.hear(ending(2, 5_000));
  await vi.waitFor(() => expect(vi.getTimerCount()).toBeGreaterThan(0));
  await vi.dynamicImportSettled();
  vi.advanceTimersByTime(5_000);
  const { entries, cursor } = client.log(conversation_id);
  expect(entries.map(({ content }) => content)).toEqual([{ text: 'number 1' }, {}]);
  expect(told).toEqual([entries[1]]);
  expect(cursor).toBe(2);
});

test('a client empties what was read over REST, where it is told of it', async () => {
  const { client } = start();
  const older = ending(1, 5_000);
  client.expire([older, entry(2)]);
  await vi.dynamicImportSettled();
  vi.advanceTimersByTime(5_000);
  expect(older.content).toEqual({});
});

test('blanks move cursors as all entries do', () => {
  const { client } = start();
  const socket = online();
  for (const seq of [1, 2, 3]) socket.hear(seq === 2 ? { ...entry(2), content: {} } : entry(seq));
  socket.hear({ ...entry(4), kind: 'of a later version', content: { unknown: true } });
  expect(client.log(conversation_id).cursor).toBe(4);
  vi.advanceTimersByTime(300);
  expect(socket.saidOf('delivered')).toEqual([{ type: 'delivered', conversation_id, seq: 4 }]);
});
