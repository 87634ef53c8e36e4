import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Client } from './client';
import type { Entry, ServerFrame } from './frames';
import { digest } from './heads';
import { uuidv7 } from './ids';
import { Log } from './log';
import { Outbox } from './outbox';
import type { Wire } from './types';

class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 1;
  said: { type: string; [key: string]: unknown }[] = [];
  closedWith?: number;
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: (event: { code: number; reason: string }) => void;
  constructor() {
    FakeSocket.all.push(this);
  }
  send(text: string) {
    this.said.push(JSON.parse(text));
  }
  close(code?: number) {
    this.readyState = 3;
    this.closedWith = code;
    this.onclose?.({ code: code ?? 1005, reason: '' });
  }
  hear(frame: object) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  drop(code = 1006, reason = '') {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  sends() {
    return this.said.filter((frame) => frame.type === 'send');
  }
}

class FakeStream extends FakeSocket {}

function memory() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
}

const token = `x.${btoa('{"sub":"ann"}')}.x`;
const conversation_id = '0198c0de-0000-7000-8000-0000000000c1';
const welcome = { type: 'welcome', connection_id: 'x', user_id: 'ann', heartbeat_ms: 30_000 };

function entry(seq: number): Entry {
  return {
    type: 'entry',
    conversation_id,
    seq,
    id: `id-${seq}`,
    kind: 'text',
    sender: { id: 'bob', type: 'user' },
    content: { text: `number ${seq}` },
    timestamp: seq,
  };
}

function start(storage = memory(), random = () => 0) {
  const heard: ServerFrame[] = [];
  const states: string[] = [];
  const client = new Client({
    url: 'ws://test/ws',
    token,
    deviceId: 'd',
    storage: storage as Storage,
    makeSocket: () => new FakeSocket() as unknown as Wire,
    makeStream: () => new FakeStream() as unknown as Wire,
    random,
  });
  client.on('frame', (frame) => heard.push(frame));
  client.on('state', (state) => states.push(state));
  void client.connect();
  return { client, heard, states, storage };
}

function latest(): FakeSocket {
  const socket = FakeSocket.all.at(-1);
  if (!socket) throw new Error('no socket');
  return socket;
}

function online() {
  const socket = latest();
  socket.onopen?.();
  socket.hear(welcome);
  return socket;
}

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('signs in with the first frame and syncs after the welcome', () => {
  start();
  const socket = online();
  expect(socket.said.map((frame) => frame.type)).toEqual(['auth', 'sync']);
});

test('holds an entry that leaves a gap and shows it when the page has filled the gap', () => {
  const { client } = start();
  const socket = online();
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  socket.hear(entry(1));
  socket.hear(entry(3));
  expect(client.log(conversation_id).cursor).toBe(1);
  expect(socket.said.at(-1)).toEqual({ type: 'sync', epoch: 'e', cursors: { [conversation_id]: 1 } });
  socket.hear({
    type: 'sync_page',
    conversation_id,
    entries: [entry(2)],
    head: 3,
    more: false,
    reset: false,
  });
  expect(client.log(conversation_id).entries.map((e) => e.seq)).toEqual([1, 2, 3]);
});

test('shows a repeated entry once', () => {
  const { client } = start();
  const socket = online();
  for (const seq of [1, 2, 2, 1]) socket.hear(entry(seq));
  expect(client.log(conversation_id).entries.map((e) => e.seq)).toEqual([1, 2]);
});

test('a reset takes the place of what was held', () => {
  const log = new Log();
  log.add(entry(1));
  log.addPage([entry(7), entry(8)], true);
  expect(log.entries.map((e) => e.seq)).toEqual([7, 8]);
});

test('sends again what was not answered, oldest first and with the same client ids', () => {
  const { client } = start();
  const { clientId: first } = client.send({ conversation_id, content: { text: 'one' } });
  const socket = online();
  const { clientId: second } = client.send({ conversation_id, content: { text: 'two' } });
  expect(socket.sends().map((frame) => frame.client_id)).toEqual([first, second]);
  socket.hear({ type: 'sent', client_id: first, conversation_id, id: 'i', seq: 1, timestamp: 1 });
  socket.drop();
  vi.advanceTimersByTime(20_000);
  expect(FakeSocket.all.length).toBe(2);
  expect(
    online()
      .sends()
      .map((frame) => frame.client_id),
  ).toEqual([second]);
});

test('keeps unanswered messages over a reload', () => {
  const { client, storage } = start();
  const { clientId: kept } = client.send({ conversation_id, content: { text: 'later' } });
  client.disconnect();
  start(storage);
  expect(
    online()
      .sends()
      .map((frame) => frame.client_id),
  ).toEqual([kept]);
});

test('an unknown outcome is asked for again with the same client id', () => {
  const { client } = start();
  const socket = online();
  const { clientId: client_id } = client.send({ conversation_id, content: { text: 'x' } });
  socket.hear({
    type: 'error',
    client_id,
    code: 'unavailable',
    message: '',
    stored: 'unknown',
    retry_after_ms: 50,
  });
  vi.advanceTimersByTime(60);
  expect(socket.sends().map((frame) => frame.client_id)).toEqual([client_id, client_id]);
});

test('many who were refused at once do not come again at once', () => {
  const { client } = start(undefined, () => 0.5);
  const socket = online();
  const { clientId: client_id } = client.send({ conversation_id, content: { text: 'x' } });
  const message = 'more is asked for than can be done';
  const refusal = { code: 'unavailable', message, stored: 'no', retry_after_ms: 1_000 } as const;
  socket.hear({ type: 'error', client_id, ...refusal });
  vi.advanceTimersByTime(1_200);
  expect(socket.sends()).toHaveLength(1);
  vi.advanceTimersByTime(100);
  expect(socket.sends().map((frame) => frame.client_id)).toEqual([client_id, client_id]);
});

test('a refused message leaves the outbox', () => {
  const { client } = start();
  const socket = online();
  const { clientId: client_id } = client.send({ conversation_id, content: { text: 'x' } });
  socket.hear({ type: 'error', client_id, code: 'not_member', message: '', stored: 'no' });
  expect(client.pending()).toEqual([]);
});

test('acknowledges what was delivered once for many entries', () => {
  start();
  const socket = online();
  for (const seq of [1, 2, 3]) socket.hear(entry(seq));
  vi.advanceTimersByTime(300);
  expect(socket.said.filter((frame) => frame.type === 'delivered')).toEqual([
    { type: 'delivered', conversation_id, seq: 3 },
  ]);
});

test('a connection that answers no ping is given up', () => {
  const { states } = start();
  online();
  vi.advanceTimersByTime(29_000);
  expect(states.at(-1)).not.toBe('online');
});

test('comes back once after a connection that it gave up', () => {
  start();
  online();
  vi.advanceTimersByTime(29_000);
  vi.advanceTimersByTime(5_000);
  expect(FakeSocket.all.length).toBe(2);
});

test('follows a redirect after its answers, when it was asked to, and keeps its outbox', () => {
  const { client, states } = start();
  const socket = online();
  const { clientId: first } = client.send({ conversation_id, content: { text: 'under way' } });
  socket.hear({ type: 'redirect', after_ms: 700 });
  const { clientId: second } = client.send({ conversation_id, content: { text: 'for the next one' } });
  expect(socket.sends().map((frame) => frame.client_id)).toEqual([first]);
  expect(socket.closedWith).toBeUndefined();
  socket.hear({ type: 'sent', client_id: first, conversation_id, id: 'i', seq: 1, timestamp: 1 });
  expect(socket.closedWith).toBe(1000);
  expect(states.at(-1)).toBe('offline');
  vi.advanceTimersByTime(699);
  expect(FakeSocket.all.length).toBe(1);
  vi.advanceTimersByTime(1);
  expect(FakeSocket.all.length).toBe(2);
  expect(
    online()
      .sends()
      .map((frame) => frame.client_id),
  ).toEqual([second]);
  expect(client.pending().map((kept) => kept.client_id)).toEqual([second]);
});

test('does not wait for ever for the answers of a server that leaves', () => {
  const { client } = start();
  const socket = online();
  const { clientId: kept } = client.send({ conversation_id, content: { text: 'x' } });
  socket.hear({ type: 'redirect', after_ms: 0 });
  vi.advanceTimersByTime(4_100);
  expect(socket.closedWith).toBe(1000);
  expect(
    online()
      .sends()
      .map((frame) => frame.client_id),
  ).toEqual([kept]);
});

test('a refused token ends the session', () => {
  const { states } = start();
  latest().drop(4001, 'the token has expired');
  vi.advanceTimersByTime(60_000);
  expect(states.at(-1)).toBe('signed-out');
  expect(FakeSocket.all.length).toBe(1);
});

test('a broken outbox in storage is an empty one', () => {
  const storage = memory();
  storage.setItem('k', '{oops');
  expect(new Outbox(storage as Storage, 'k').all()).toEqual([]);
});

test('client ids are UUIDs of version 7, ordered by time', () => {
  expect(uuidv7(1)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uuidv7(1_763_678_000_000) < uuidv7(1_763_678_000_001)).toBe(true);
});

test('computes the digest that the server computes', () => {
  const first = '0198c0de-0000-7000-8000-000000000001';
  const second = '0198c0de-0000-7000-8000-000000000002';
  expect(digest([[first, 1]])).toBe(3397989771);
  expect(
    digest([
      [second, 1_000_000],
      [first, 1],
    ]),
  ).toBe(3574788234);
  expect(digest([[first, 0]])).toBe(0);
});

test('syncs when the heads in a pong are not its own, and not when they are', () => {
  start();
  const socket = online();
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  socket.hear(entry(1));
  const syncs = () => socket.said.filter((frame) => frame.type === 'sync').length;
  socket.hear({ type: 'pong', heads: digest([[conversation_id, 1]]) });
  socket.hear({ type: 'pong' });
  expect(syncs()).toBe(1);
  socket.hear({ type: 'pong', heads: digest([[conversation_id, 2]]) });
  expect(syncs()).toBe(2);
});

test('does not count a conversation that it has left', () => {
  start();
  const socket = online();
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  const left = { event: 'member_removed', member: 'ann' };
  socket.hear({ ...entry(1), kind: 'system', content: left });
  socket.hear({ type: 'pong', heads: 0 });
  expect(socket.said.filter((frame) => frame.type === 'sync').length).toBe(1);
});

test('where no socket opens twice an event stream is taken, and a socket again when that fails', () => {
  start();
  for (const kind of [FakeSocket, FakeSocket, FakeStream, FakeSocket, FakeSocket, FakeStream]) {
    expect(latest().constructor).toBe(kind);
    latest().drop();
    vi.advanceTimersByTime(20_000);
  }
});

test('a client whose stream opened stays with streams and says no token on them', () => {
  const { states } = start();
  for (let attempt = 0; attempt < 2; attempt++) {
    latest().drop();
    vi.advanceTimersByTime(20_000);
  }
  const stream = latest();
  expect(stream).toBeInstanceOf(FakeStream);
  stream.onopen?.();
  stream.hear(welcome);
  expect(states.at(-1)).toBe('online');
  expect(stream.said.map((frame) => frame.type)).toEqual(['sync']);
  stream.drop(1012);
  vi.advanceTimersByTime(20_000);
  expect(latest()).not.toBe(stream);
  expect(latest()).toBeInstanceOf(FakeStream);
});
