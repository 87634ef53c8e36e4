import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { conversation_id, entry, FakeSocket, latest, online, sent, start, text, welcome } from './fake';

const all = (socket: FakeSocket, type: string) => socket.said.filter((frame) => frame.type === type);

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** The connection breaks and is back. */
function again(more: object = {}) {
  latest().drop();
  vi.advanceTimersByTime(1_100);
  const socket = latest();
  socket.onopen?.();
  socket.hear({ ...welcome, ...more });
  return socket;
}

test('acknowledges what was delivered once for many entries', () => {
  start();
  const socket = online();
  for (const seq of [1, 2, 3]) socket.hear(entry(seq));
  vi.advanceTimersByTime(300);
  expect(all(socket, 'delivered')).toEqual([{ type: 'delivered', conversation_id, seq: 3 }]);
});

test('what was read while there was no connection is said on the next one', () => {
  const { client } = start();
  client.read(conversation_id, 2);
  expect(all(online(), 'read')).toEqual([{ type: 'read', conversation_id, seq: 2 }]);
});

test('an entry that came just before the connection broke is acknowledged on the next one', () => {
  start();
  const socket = online();
  socket.hear(entry(1));
  vi.advanceTimersByTime(10);
  expect(all(again(), 'delivered')).toEqual([{ type: 'delivered', conversation_id, seq: 1 }]);
});

test('marks are said again until the server tells them back, and not for ever where it never does', () => {
  const { client } = start();
  online();
  client.read(conversation_id, 5);
  client.read(conversation_id, 4);
  expect(all(again(), 'read')).toHaveLength(1);
  latest().hear({ type: 'receipt', conversation_id, user_id: 'ann', delivered_seq: 5, read_seq: 4 });
  expect(all(again(), 'read')).toHaveLength(1);
  expect(all(again(), 'read')).toHaveLength(0);
  client.read(conversation_id, 6);
  latest().hear({ type: 'receipt', conversation_id, user_id: 'ann', delivered_seq: 6, read_seq: 6 });
  expect(all(again(), 'read')).toHaveLength(0);
});

test('many marks go out in portions', () => {
  const { client } = start();
  for (let n = 0; n < 120; n++) client.read(`conversation-${n}`, 1);
  const socket = online();
  expect(all(socket, 'read')).toHaveLength(50);
  vi.advanceTimersByTime(600);
  expect(all(socket, 'read')).toHaveLength(120);
});

test('a device that only listens acknowledges nothing', () => {
  start({ acknowledge: false });
  const socket = online();
  socket.hear(entry(1));
  vi.advanceTimersByTime(1_000);
  expect(all(socket, 'delivered')).toEqual([]);
});

test('a status is said again to a server that has forgotten it', () => {
  const { client } = start();
  const told: string[] = [];
  client.on('status', (status) => told.push(status));
  const socket = online();
  client.setStatus('invisible');
  expect(all(socket, 'status')).toEqual([{ type: 'status', status: 'invisible' }]);
  expect(all(again({ status: 'online' }), 'status')).toEqual([{ type: 'status', status: 'invisible' }]);
  expect(all(again(), 'status')).toEqual([{ type: 'status', status: 'invisible' }]);
  expect(all(again({ status: 'invisible' }), 'status')).toEqual([]);
  expect([client.status, told]).toEqual(['invisible', ['invisible']]);
});

test('a status chosen while there was no connection is said, and one of another device is taken', () => {
  const { client } = start();
  client.setStatus('busy');
  const socket = latest();
  socket.onopen?.();
  socket.hear({ ...welcome, status: 'away' });
  expect(all(socket, 'status')).toEqual([{ type: 'status', status: 'busy' }]);
  socket.hear({ type: 'presence', user_id: 'ann', status: 'invisible', devices: 1 });
  expect(client.status).toBe('invisible');
  expect(all(again({ status: 'away' }), 'status')).toEqual([]);
  expect(client.status).toBe('away');
});

test('typing may be told at each key: others hear it often enough, and its end', () => {
  const { client } = start();
  const socket = online();
  const live = setInterval(() => socket.hear({ type: 'pong' }), 1_000);
  for (let key = 0; key < 40; key++) {
    client.typing(conversation_id, true);
    vi.advanceTimersByTime(100);
  }
  expect(all(socket, 'typing')).toHaveLength(2);
  vi.advanceTimersByTime(5_000);
  clearInterval(live);
  expect(all(socket, 'typing').at(-1)).toEqual({ type: 'typing', conversation_id, on: false });
});

test('who is still writing is said again after a reconnect, and a message ends it', () => {
  const { client } = start();
  online();
  client.typing(conversation_id, true);
  const socket = again();
  expect(all(socket, 'typing')).toEqual([{ type: 'typing', conversation_id, on: true }]);
  const { clientId } = client.send(text('x'));
  socket.hear(sent(clientId, 1));
  vi.advanceTimersByTime(6_000);
  expect(all(socket, 'typing')).toHaveLength(1);
});

test('a signal goes out where somebody can hear it, or not at all', () => {
  const { client } = start();
  const signal = { to: 'bob', call_id: '0198c0de-0000-7000-8000-0000000000aa', kind: 'ring' as const };
  expect(client.signal(signal)).toBe(false);
  const socket = online();
  expect(client.signal(signal)).toBe(true);
  expect(socket.said.at(-1)).toMatchObject({ type: 'signal', ...signal });
});

test('signals, notices, typing, presence and receipts are events', () => {
  const { client } = start();
  const told: string[] = [];
  client.on('signal', (signal) => told.push(signal.from));
  client.on('notice', (notice) => told.push(notice.id));
  client.on('typing', (typing) => told.push(String(typing.on)));
  client.on('presence', (presence) => told.push(presence.status));
  client.on('receipt', (receipt) => told.push(String(receipt.read_seq)));
  const socket = online();
  socket.hear({ type: 'signal', from: 'bob', call_id: 'c', kind: 'ring' });
  socket.hear({ type: 'notice', id: 'n', content: {}, timestamp: 1 });
  socket.hear({ type: 'typing', conversation_id, user_id: 'bob', on: true });
  socket.hear({ type: 'presence', user_id: 'bob', status: 'away', devices: 1 });
  socket.hear({ type: 'receipt', conversation_id, user_id: 'bob', delivered_seq: 2, read_seq: 1 });
  expect(told).toEqual(['bob', 'n', 'true', 'away', '1']);
});
