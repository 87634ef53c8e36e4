import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  conversation_id,
  error,
  FakeSocket,
  latest,
  online,
  pin,
  sent,
  start,
  text,
  tokenOf,
  welcome,
} from './fake';
import { memoryStorage } from './storage';

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** What was said of operations: the words of a message, or the number of what was pinned. */
const operations = (socket: FakeSocket) =>
  socket.said
    .filter(({ type }) => type === 'send' || type === 'pin')
    .map((frame) => (frame.type === 'pin' ? frame.seq : (frame.content as { text: string }).text));

test('a pin is a frame of its own, in its turn behind what was written before', () => {
  const { client } = start();
  const socket = online();
  const before = client.send(text('before'));
  const { clientId } = client.pin(conversation_id, 7, true);
  client.send(text('after'));
  expect(operations(socket)).toEqual(['before']);
  socket.hear(sent(before.clientId, 1));
  expect(socket.saidOf('pin')).toEqual([
    { type: 'pin', ref: clientId, client_id: clientId, conversation_id, seq: 7, on: true },
  ]);
  socket.hear(sent(clientId, 2));
  expect(operations(socket)).toEqual(['before', 7, 'after']);
});

test('a pin that is stored comes into the own log as others have it', async () => {
  const { client } = start();
  const socket = online();
  const { clientId, stored } = client.pin(conversation_id, 7, false);
  socket.hear(sent(clientId, 1));
  await expect(stored).resolves.toMatchObject({ seq: 1 });
  const own = { kind: 'pin', target: 7, content: { on: false }, sender: { id: 'ann', type: 'user' } };
  expect(client.log(conversation_id).entries).toMatchObject([{ ...own, seq: 1, client_id: clientId }]);
});

test('a pin that changes nothing makes no entry, and its promise says so', async () => {
  const { client } = start();
  const socket = online();
  const { clientId, stored } = client.pin(conversation_id, 7);
  socket.hear({ ...sent(clientId, 9), id: undefined, unchanged: true });
  await expect(stored).resolves.toMatchObject({ unchanged: true });
  expect([client.log(conversation_id).entries, client.pending()]).toEqual([[], []]);
});

test.each(['forbidden', 'not_found', 'quota_exceeded', 'not_member', 'invalid'])(
  'a pin that is refused with %s is told of and not kept, and what waits behind it goes',
  async (code) => {
    const { client, refused } = start();
    const socket = online();
    const { clientId, stored } = client.pin(conversation_id, 7);
    client.pin(conversation_id, 8, false);
    client.send(text('after'));
    socket.hear(error(clientId, code));
    expect(refused).toEqual([[clientId, code]]);
    await expect(stored).rejects.toMatchObject({ name: 'RefusedError', code });
    expect(client.refused()).toEqual([]);
    socket.hear(sent(socket.saidOf('pin')[1]?.client_id, 1));
    expect(operations(socket)).toEqual([7, 8, 'after']);
  },
);

test('a message that is refused for its conversation takes the pins behind it with it', () => {
  const { client, refused } = start();
  const socket = online();
  const { clientId } = client.send(text('1'));
  const behind = client.pin(conversation_id, 7);
  socket.hear(error(clientId, 'not_member'));
  expect(refused).toEqual([
    [clientId, 'not_member'],
    [behind.clientId, 'not_member'],
  ]);
  // The text stays for its writer.
  expect(client.refused().map(({ operation }) => operation.client_id)).toEqual([clientId]);
});

test('a pin that is refused for now is said again under its id, and overtaken by nothing', () => {
  const { client } = start();
  const socket = online();
  const { clientId } = client.pin(conversation_id, 7);
  socket.hear(error(clientId, 'unavailable', { retry_after_ms: 900 }));
  client.send(text('after'));
  vi.advanceTimersByTime(901);
  expect(operations(socket)).toEqual([7, 7]);
  expect(new Set(socket.saidOf('pin').map((frame) => frame.client_id))).toEqual(new Set([clientId]));
});

test('a pin without an answer is said again on the next connection', () => {
  const { client } = start();
  const { clientId } = client.pin(conversation_id, 7);
  online().drop();
  vi.advanceTimersByTime(1_000);
  const socket = latest();
  socket.onopen?.();
  socket.hear(welcome);
  expect(socket.saidOf('pin').map((frame) => frame.client_id)).toEqual([clientId]);
  socket.hear({ ...pin(1, 7, true, 'ann'), client_id: clientId });
  expect(client.pending()).toEqual([]);
});

test('a pin is in storage before it is sent, and a later run sends it in its place', async () => {
  const storage = memoryStorage();
  const first = start({ storage });
  const before = first.client.send(text('before'));
  const kept = first.client.pin(conversation_id, 7);
  first.client.send(text('after'));
  const key = `tidings/ann/operation/${kept.clientId}`;
  const record = JSON.parse(String(await storage.getItem(key)));
  expect(record.operation).toMatchObject({ type: 'pin', conversation_id, seq: 7, on: true });
  latest().drop();
  first.client.disconnect();

  const second = start({ storage });
  const socket = online();
  await vi.dynamicImportSettled();
  await vi.advanceTimersByTimeAsync(1_000);
  socket.hear(sent(before.clientId, 1));
  socket.hear(sent(kept.clientId, 2));
  expect(operations(socket)).toEqual(['before', 7, 'after']);
  expect(await storage.getItem(key)).toBeNull();
  expect(second.client.pending()).toHaveLength(1);
});

test('a client id of one’s own makes a restarted program pin once', () => {
  const { client } = start();
  online();
  const client_id = '0198c0de-0000-7000-8000-00000000000a';
  const one = client.pin(conversation_id, 7, true, client_id);
  expect(client.pin(conversation_id, 7, true, client_id).stored).toBe(one.stored);
  expect(client.pending()).toHaveLength(1);
});

test('what an own sender is follows from the token, as for the server', () => {
  const tokenWith = (roles: string[]) => `x.${btoa(JSON.stringify({ sub: 'ann', roles }))}.x`;
  const typeOf = (token: string, kind?: string) => {
    const { client } = start({ token });
    const socket = online();
    // A member has a log.
    socket.hear(pin(1, 1));
    const { clientId } = client.send({ conversation_id, kind, content: { text: 'hi' } });
    socket.hear(sent(clientId, 2));
    return client.log(conversation_id).entries.at(-1)?.sender;
  };
  expect(typeOf(tokenOf('ann'))).toEqual({ id: 'ann', type: 'user' });
  expect(typeOf(tokenWith(['bot']))).toEqual({ id: 'ann', type: 'bot' });
  expect(typeOf(tokenWith(['admin']))).toEqual({ id: 'ann', type: 'user' });
  expect(typeOf(tokenWith(['admin']), 'notice')).toEqual({ id: 'ann', type: 'operator' });
});

test('what an answer says of the entry is held instead of what was sent', () => {
  const { client } = start();
  const socket = online();
  const { clientId } = client.send(text('as it was written'));
  const told = {
    content: { text: 'as it was stored' },
    sender: { id: 'ann', type: 'bot', name: 'Ann' },
    expires_at: 9e15,
  };
  socket.hear({ ...sent(clientId, 1), ...told });
  expect(client.log(conversation_id).entries).toMatchObject([{ ...told, kind: 'text', type: 'entry' }]);
});
