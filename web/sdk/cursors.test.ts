import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { conversation_id, entry, FakeSocket, latest, online, start, welcome } from './fake';
import { memoryStorage } from './storage';
import type { Origin } from './types';

beforeEach(() => {
  FakeSocket.all = [];
});

/** A bot that answers, and is then ended without a word. */
async function bot(
  cursors: ReturnType<typeof memoryStorage>,
  answer: (seq: number, origin: Origin) => unknown = () => {},
) {
  const answered: number[] = [];
  const { client } = start({ cursors });
  client.on('entry', (entry, origin) => {
    if (origin !== 'history') answered.push(entry.seq);
    return answer(entry.seq, origin);
  });
  await vi.waitFor(() => expect(latest()).toBeDefined());
  const count = FakeSocket.all.length;
  const socket = online();
  return { client, answered, socket, count };
}

const page = (seqs: number[], more = {}) => ({
  type: 'sync_page',
  conversation_id,
  entries: seqs.map(entry),
  head: 99,
  more: false,
  reset: false,
  ...more,
});
const synced = { type: 'synced', epoch: 'e', conversations: 1 };
const asked = (socket: FakeSocket) => socket.said.find((frame) => frame.type === 'sync');

afterEach(() => {
  for (const socket of FakeSocket.all) socket.onclose = undefined;
});

test('a restarted bot answers what it has missed, and nothing twice', async () => {
  const cursors = memoryStorage();
  const first = await bot(cursors);
  first.socket.hear(page([49, 50], { skipped_before: 49 }));
  first.socket.hear(synced);
  first.socket.hear(entry(51));
  expect(first.answered).toEqual([51]);
  FakeSocket.all = [];
  const second = await bot(cursors);
  expect(asked(second.socket)).toMatchObject({
    epoch: 'e',
    cursors: { [conversation_id]: { seq: 51, id: 'id-51' } },
  });
  second.socket.hear(page([52, 53]));
  second.socket.hear(synced);
  expect(second.answered).toEqual([52, 53]);
});

test('an entry counts when its listener has ended, and entries count in their order', async () => {
  const cursors = memoryStorage();
  const ends: Record<number, () => void> = {};
  const { socket } = await bot(cursors, (seq) => {
    if (seq < 52) return undefined;
    return new Promise<void>((resolve) => {
      ends[seq] = resolve;
    });
  });
  socket.hear(page([51], { skipped_before: 51 }));
  socket.hear(synced);
  for (const seq of [52, 53]) socket.hear(entry(seq));
  ends[53]?.();
  await new Promise((resolve) => setTimeout(resolve));
  const key = `tidings/ann/cursor/d/at/${conversation_id}`;
  expect(cursors.getItem(key)).toBe('51 id-51');
  ends[52]?.();
  await vi.waitFor(() => expect(cursors.getItem(key)).toBe('53 id-53'));
});

test('a listener that fails is told of, and does not hold the bot up', async () => {
  const cursors = memoryStorage();
  const { client, socket } = await bot(cursors, () => Promise.reject(new Error('oops')));
  const errors: string[] = [];
  client.on('error', (error) => errors.push(error.code));
  socket.hear(synced);
  socket.hear(entry(1));
  await vi.waitFor(() =>
    expect(cursors.getItem(`tidings/ann/cursor/d/at/${conversation_id}`)).toBe('1 id-1'),
  );
  expect(errors).toEqual(['listener']);
});

test('what began while the bot was away is answered, what was there before its first start is not', async () => {
  const cursors = memoryStorage();
  const first = await bot(cursors);
  first.socket.hear(synced);
  FakeSocket.all = [];
  const second = await bot(cursors);
  second.socket.hear(page([1, 2]));
  expect(second.answered).toEqual([1, 2]);
});

test('after its database was replaced a bot answers no history', async () => {
  const cursors = memoryStorage();
  const first = await bot(cursors);
  first.socket.hear(synced);
  first.socket.hear(entry(1));
  FakeSocket.all = [];
  const second = await bot(cursors);
  second.socket.hear(page([1, 2, 3], { reset: true }));
  second.socket.hear({ ...synced, epoch: 'other' });
  expect(second.answered).toEqual([]);
  expect(cursors.getItem('tidings/ann/cursor/d/epoch')).toBe('other');
});

test('a cursor that an earlier version kept has no id yet', async () => {
  const cursors = memoryStorage();
  cursors.setItem('tidings/ann/cursor/d/epoch', 'e');
  cursors.setItem(`tidings/ann/cursor/d/at/${conversation_id}`, '7');
  const { socket } = await bot(cursors);
  expect(asked(socket)).toMatchObject({ epoch: 'e', cursors: { [conversation_id]: { seq: 7 } } });
});

test('a conversation that is gone has no cursor any more', async () => {
  const cursors = memoryStorage();
  const { socket } = await bot(cursors);
  socket.hear(synced);
  socket.hear(entry(1));
  socket.hear(page([], { reset: true, gone: true }));
  expect(await cursors.keys('tidings/ann/cursor/d/at/')).toEqual([]);
});

test('a restarted bot acknowledges what it had, in case nobody heard it', async () => {
  const cursors = memoryStorage();
  const first = await bot(cursors);
  first.socket.hear(synced);
  first.socket.hear(entry(1));
  FakeSocket.all = [];
  const second = await bot(cursors);
  expect(second.socket.said).toContainEqual({ type: 'delivered', conversation_id, seq: 1 });
  expect(welcome.user_id).toBe('ann');
});
