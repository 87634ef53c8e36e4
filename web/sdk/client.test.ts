import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RestError } from './errors';
import { conversation_id, entry, FakeSocket, FakeStream, latest, online, start, text, welcome } from './fake';
import { digest } from './heads';
import type { Wire } from './types';

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
  expect(socket.said.at(-1)).toMatchObject({
    type: 'sync',
    epoch: 'e',
    cursors: { [conversation_id]: { seq: 1, id: 'id-1' } },
  });
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

/** Notes where it connects to. */
function dialing() {
  const dialed: string[] = [];
  const makeSocket = (url: string) => {
    const { origin, pathname, searchParams } = new URL(url);
    dialed.push(`${origin}${pathname} ${searchParams.get('redirect')}`);
    return new FakeSocket() as unknown as Wire;
  };
  return { dialed, ...start({ makeSocket }) };
}

test('goes to the server of a redirect, also in the place of a welcome, and back to its own address', () => {
  const { dialed, states } = dialing();
  latest().onopen?.();
  latest().hear({ type: 'redirect', after_ms: 0, server: 'wss://g2.test/ws' });
  vi.advanceTimersByTime(0);
  online();
  expect(states.at(-1)).toBe('online');
  // A client that was there once is free to be sent elsewhere again.
  vi.advanceTimersByTime(20_000);
  online();
  latest().drop();
  vi.advanceTimersByTime(1_000);
  expect(dialed).toEqual(['ws://test/ws on', 'wss://g2.test/ws null', 'ws://test/ws on']);
});

test('is served by whom it comes to when the server of a redirect does not welcome it', () => {
  const { dialed, states } = dialing();
  latest().onopen?.();
  latest().hear({ type: 'redirect', after_ms: 0, server: 'wss://g2.test/ws' });
  vi.advanceTimersByTime(0);
  latest().drop();
  vi.advanceTimersByTime(1_000);
  expect(dialed).toEqual(['ws://test/ws on', 'wss://g2.test/ws null', 'ws://test/ws null']);
  latest().onopen?.();
  latest().drop();
  vi.advanceTimersByTime(2_000);
  expect(dialed.at(-1)).toBe('ws://test/ws null');
  online();
  expect(states.at(-1)).toBe('online');
  latest().drop();
  vi.advanceTimersByTime(2_000);
  expect(dialed.at(-1)).toBe('ws://test/ws on');
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

test('syncs when the heads in a pong are not its own, and not when they are', () => {
  start();
  const socket = online();
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  socket.hear(entry(1));
  const syncs = () => socket.said.filter((frame) => frame.type === 'sync').length;
  const pong = (seq: number, id: string) => ({
    type: 'pong',
    heads2: digest([[conversation_id, { seq, id }]]),
  });
  socket.hear(pong(1, 'id-1'));
  socket.hear({ type: 'pong' });
  expect(syncs()).toBe(1);
  for (const other of [pong(2, 'id-2'), pong(1, 'id-9')]) {
    socket.hear(other);
    socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
    socket.hear(pong(1, 'id-1'));
  }
  expect(syncs()).toBe(3);
});

test('forgets a log of which the server has another, and shows it anew', () => {
  const { client } = start();
  const socket = online();
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  for (const seq of [1, 2, 3]) socket.hear(entry(seq));
  const resets: string[] = [];
  const shown: string[] = [];
  client.on('reset', (id) => resets.push(id));
  client.on('entry', ({ id }, origin) => shown.push(`${id} ${origin}`));
  // Put back to its first entry; then others were written.
  const other = (seq: number) => ({ ...entry(seq), id: `other-${seq}` });
  for (const seq of [2, 3, 4]) socket.hear(other(seq));
  expect(shown).toEqual([]);
  const sync = socket.said.findLast((frame) => frame.type === 'sync');
  expect(sync?.cursors).toEqual({ [conversation_id]: { seq: 2, id: 'id-2' } });
  const entries = [entry(1), other(2), other(3), other(4)];
  socket.hear({ type: 'sync_page', conversation_id, entries, head: 4, more: false, reset: true });
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  socket.hear(other(5));
  expect(resets).toEqual([conversation_id]);
  expect(shown).toEqual([
    'id-1 history',
    'other-2 history',
    'other-3 history',
    'other-4 history',
    'other-5 live',
  ]);
});

test('says the seqs alone where there is no room for the ids', () => {
  start();
  const socket = latest();
  socket.onopen?.();
  const limits = { frame_bytes: 64 * 14, in_flight: 8 };
  const conversations = Array.from({ length: 6 }, (_, at) => `0198c0de-0000-7000-8000-00000000000${at}`);
  const sync = () =>
    socket.said.findLast((frame) => frame.type === 'sync')?.cursors as Record<string, unknown>;
  socket.hear({ ...welcome, limits });
  for (const [at, id] of conversations.entries()) {
    socket.hear({ ...entry(1), conversation_id: id });
    socket.hear({ type: 'synced', epoch: 'e', conversations: at + 1 });
    socket.hear({ type: 'pong', heads2: 0 });
    const cursor = at < 4 ? { seq: 1, id: 'id-1' } : 1;
    expect(Object.values(sync())).toEqual(Array.from({ length: at + 1 }, () => cursor));
  }
});

test('does not count a conversation that it has left', () => {
  start();
  const socket = online();
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  const left = { event: 'member_removed', member: 'ann' };
  socket.hear({ ...entry(1), kind: 'system', content: left });
  socket.hear({ type: 'pong', heads2: 0 });
  expect(socket.said.filter((frame) => frame.type === 'sync').length).toBe(1);
});

test('what an operator says in a conversation of others begins no log of it', () => {
  const { client } = start();
  const socket = online();
  socket.hear({ type: 'synced', epoch: 'e', conversations: 0 });
  const { clientId } = client.send({ conversation_id, kind: 'notice', content: { body: 'Closed at six.' } });
  socket.hear({ type: 'sent', client_id: clientId, conversation_id, id: 'i', seq: 9, timestamp: 1 });
  expect(client.logs.has(conversation_id)).toBe(false);
  expect(socket.said.filter((frame) => frame.type === 'sync').length).toBe(1);
});

test('where no socket opens twice an event stream is taken, and a socket again when that fails', () => {
  start();
  for (const kind of [FakeSocket, FakeSocket, FakeStream, FakeSocket, FakeSocket, FakeStream]) {
    expect(latest().constructor).toBe(kind);
    latest().drop();
    vi.advanceTimersByTime(1_000);
  }
});

test('a client whose stream opened stays with streams and says no token on them', () => {
  const { states } = start();
  for (let attempt = 0; attempt < 2; attempt++) {
    latest().drop();
    vi.advanceTimersByTime(1_000);
  }
  const stream = latest();
  expect(stream).toBeInstanceOf(FakeStream);
  stream.onopen?.();
  stream.hear(welcome);
  expect(states.at(-1)).toBe('online');
  expect(stream.said.map((frame) => frame.type)).toEqual(['sync']);
  stream.drop(1012);
  vi.advanceTimersByTime(1_000);
  expect(latest()).not.toBe(stream);
  expect(latest()).toBeInstanceOf(FakeStream);
});

test('connecting twice opens one socket, and both promises are settled by the welcome', async () => {
  const { client } = start();
  const [one, two] = [client.connect(), client.connect()];
  expect(FakeSocket.all.length).toBe(1);
  online();
  await Promise.all([one, two]);
  await client.connect();
  expect(FakeSocket.all.length).toBe(1);
});

test('a promise of a connection is refused when the token is', async () => {
  const { client } = start();
  const promise = client.connect();
  latest().drop(4001, 'expired');
  await expect(promise).rejects.toMatchObject({ name: 'CloseError', closeCode: 4001, reason: 'expired' });
});

test('after disconnecting nothing is opened until it is told to connect', () => {
  const { client, states } = start();
  online();
  client.disconnect();
  expect(latest().closedWith).toBe(1000);
  vi.advanceTimersByTime(120_000);
  expect(FakeSocket.all.length).toBe(1);
  expect(states.at(-1)).toBe('idle');
  void client.connect();
  online();
  expect(states.at(-1)).toBe('online');
});

test('several listeners hear the same, each until it is ended, also one that was added twice', () => {
  const { client } = start();
  const heard: string[] = [];
  const twice = () => heard.push('twice');
  const ends = [
    client.on('state', () => heard.push('once')),
    client.on('state', twice),
    client.on('state', twice),
  ];
  online();
  expect(heard.splice(0)).toEqual(['once', 'twice', 'twice']);
  ends[1]?.();
  ends[0]?.();
  client.disconnect();
  expect(heard).toEqual(['twice']);
});

test('a listener that throws harms no other, and is told of', () => {
  const { client, errors } = start();
  const heard: number[] = [];
  client.on('entry', () => {
    throw new Error('oops');
  });
  const end = client.on('entry', (entry) => heard.push(entry.seq));
  const socket = online();
  socket.hear(entry(1));
  end();
  socket.hear(entry(2));
  expect(heard).toEqual([1]);
  expect(errors.map((error) => [error.name, error.code])).toEqual([
    ['ListenerError', 'listener'],
    ['ListenerError', 'listener'],
  ]);
  expect(client.log(conversation_id).cursor).toBe(2);
});

test('a socket without a listener for errors would end the program: there is one', () => {
  start();
  expect(latest()).toHaveProperty('onerror', expect.any(Function));
});

test('a user with too many devices learns it, and is let in when one has ended', () => {
  const { client, states } = start();
  const details: unknown[] = [];
  client.on('state', (_, detail) => details.push(detail));
  latest().drop(4029, 'user_connections: this user has as many connections as allowed');
  expect(states.at(-1)).toBe('too-many-devices');
  expect(details.at(-1)).toMatchObject({
    retryMs: 15_000,
    error: { code: 'too_many_devices', closeCode: 4029 },
  });
  void client.connect();
  online();
  expect(states.at(-1)).toBe('online');
});

test('a device that has connected elsewhere does not fight for its place', () => {
  const { client, states } = start();
  online().drop(4000, 'the same device has connected again');
  vi.advanceTimersByTime(60_000);
  expect(states.at(-1)).toBe('replaced');
  expect(FakeSocket.all.length).toBe(1);
  void client.connect();
  expect(FakeSocket.all.length).toBe(2);
});

test('a client that is not allowed in stays away until it is told to connect', () => {
  const { client, states } = start();
  online().drop(4003, 'subprotocol: offer tidings.v1');
  vi.advanceTimersByTime(60_000);
  expect(states.at(-1)).toBe('forbidden');
  expect(FakeSocket.all.length).toBe(1);
  void client.connect();
  expect(FakeSocket.all.length).toBe(2);
});

test('a connection that ends again and again is not opened at once each time', () => {
  start({ random: () => 1 });
  for (let time = 0; time < 200; time++) {
    if (latest().readyState === 1) online().drop();
    vi.advanceTimersByTime(100);
  }
  expect(FakeSocket.all.length).toBeLessThan(8);
});

test('pings as often as the server wants to hear it', () => {
  start();
  const socket = latest();
  socket.onopen?.();
  socket.hear({ ...welcome, heartbeat_ms: 6_000 });
  vi.advanceTimersByTime(4_100);
  expect(socket.said.at(-1)).toEqual({ type: 'ping' });
});

test('takes the frames of a batch one after the other', () => {
  const { client } = start({ batch: { frames: 10, ms: 20 } });
  const socket = online();
  socket.hear({ type: 'batch', frames: [entry(1), entry(2)] });
  expect(client.log(conversation_id).cursor).toBe(2);
});

test.each([
  ['an error that names it', (ref: unknown) => ({ type: 'error', ref, code: 'unavailable', stored: 'no' })],
  ['an error that names nothing', () => ({ type: 'error', code: 'unavailable', stored: 'no' })],
])('a sync is asked for again after %s', (_, answer) => {
  start();
  const socket = online();
  const syncs = () => socket.said.filter((frame) => frame.type === 'sync');
  socket.hear(answer(syncs()[0]?.ref));
  vi.advanceTimersByTime(1_100);
  expect(syncs()).toHaveLength(2);
});

test('a sync is asked for again after silence, and after half of its pages', () => {
  start();
  const socket = online();
  const live = setInterval(() => socket.hear({ type: 'pong' }), 1_000);
  const syncs = () => socket.said.filter((frame) => frame.type === 'sync');
  vi.advanceTimersByTime(15_100);
  expect(syncs()).toHaveLength(2);
  socket.hear({ type: 'sync_page', conversation_id, entries: [entry(1)], head: 9, more: true, reset: false });
  vi.advanceTimersByTime(15_100);
  clearInterval(live);
  expect(syncs().at(-1)?.cursors).toEqual({ [conversation_id]: { seq: 1, id: 'id-1' } });
});

test('a sync that was refused for now is asked for again, whatever the server repeats unasked meanwhile', () => {
  start();
  const socket = online();
  const syncs = () => socket.said.filter((frame) => frame.type === 'sync');
  socket.hear({ ...entry(1), type: 'entry' });
  const ref = String(syncs()[0]?.ref);
  socket.hear({ type: 'error', ref, code: 'rate_limited', message: 'wait', retry_after_ms: 1_000 });
  const repeated = { type: 'sync_page', conversation_id, head: 3, more: false, reset: false };
  for (let time = 0; time < 4; time++) {
    socket.hear({ ...repeated, entries: [entry(3)] });
    vi.advanceTimersByTime(400);
  }
  expect(syncs()).toHaveLength(2);
  // Nor are they the answer to the one that is under way.
  const repeats = setInterval(() => socket.hear({ ...repeated, entries: [entry(3)] }), 5_000);
  vi.advanceTimersByTime(15_100);
  clearInterval(repeats);
  expect(syncs()).toHaveLength(3);
});

test('what the server repeats unasked does not begin a log of which the first sync has not told yet', () => {
  const { client } = start();
  const shown: number[] = [];
  client.on('entry', ({ seq }) => shown.push(seq));
  const socket = online();
  const page = { type: 'sync_page', conversation_id, head: 9, more: false, reset: false };
  socket.hear(entry(8));
  socket.hear({ ...page, entries: [entry(8), entry(9)] });
  expect(shown).toEqual([]);
  socket.hear({ ...page, entries: [5, 6, 7, 8, 9].map(entry), skipped_before: 5 });
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  expect(shown).toEqual([5, 6, 7, 8, 9]);
  expect(client.log(conversation_id).skippedBefore).toBe(5);
});

test('a log begins at the entry by which its reader joined, once the sync has ended', () => {
  const { client } = start();
  const socket = online();
  const page = { type: 'sync_page', conversation_id, head: 23, more: false, reset: false };
  socket.hear({ ...page, entries: [entry(22), entry(23)] });
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  expect(client.log(conversation_id).entries.map(({ seq }) => seq)).toEqual([22, 23]);
  expect(client.log(conversation_id).cursor).toBe(23);
});

test('a gap that no sync closes is asked for again, and not all the time', () => {
  start();
  const socket = online();
  const live = setInterval(() => socket.hear({ type: 'pong' }), 1_000);
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  socket.hear(entry(3));
  const syncs = () => socket.said.filter((frame) => frame.type === 'sync').length;
  let answered = 1;
  for (let time = 0; time < 100; time++) {
    for (; answered < syncs(); answered++) socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
    vi.advanceTimersByTime(100);
  }
  clearInterval(live);
  expect(syncs()).toBeGreaterThan(3);
  expect(syncs()).toBeLessThan(10);
});

test('a conversation that is gone is forgotten, told of, and not counted', () => {
  const { client } = start();
  const gone: string[] = [];
  client.on('gone', (id) => gone.push(id));
  const socket = online();
  socket.hear(entry(1));
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  const page = {
    type: 'sync_page',
    conversation_id,
    entries: [],
    head: 0,
    more: false,
    reset: true,
    gone: true,
  };
  socket.hear(page);
  expect(gone).toEqual([conversation_id]);
  expect(client.logs.size).toBe(0);
  const said = socket.said.length;
  socket.hear({ type: 'pong', heads2: 0 });
  expect(socket.said.length).toBe(said);
});

test('each entry is told once and in its order, with the way it came', () => {
  const { client } = start();
  const told: [number, string][] = [];
  client.on('entry', (entry, origin) => told.push([entry.seq, origin]));
  const page = (seqs: number[], reset = false) => {
    const entries = seqs.map(entry);
    return { type: 'sync_page', conversation_id, entries, head: 9, more: false, reset };
  };
  const socket = online();
  socket.hear({ ...page([4, 5]), skipped_before: 4 });
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  socket.hear(entry(8));
  socket.hear(page([6, 7]));
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  socket.hear(entry(8));
  socket.hear(page([2], true));
  expect(told).toEqual([
    [4, 'history'],
    [5, 'history'],
    [6, 'sync'],
    [7, 'sync'],
    [8, 'sync'],
    [2, 'history'],
  ]);
  expect(client.log(conversation_id).skippedBefore).toBeUndefined();
});

test('other errors are told with their type', () => {
  const { errors } = start();
  const socket = online();
  socket.hear({ type: 'synced', epoch: 'e', conversations: 0 });
  socket.hear({ type: 'error', code: 'rate_limited', message: 'slow', stored: 'no', limit: 'states' });
  expect(errors).toMatchObject([{ name: 'FrameError', code: 'rate_limited', frame: { limit: 'states' } }]);
  expect(errors[0]).not.toBeInstanceOf(RestError);
});

test('a frame that cannot be read ends the connection, not the program', () => {
  const { errors, states } = start();
  online().onmessage?.({ data: '{oops' });
  expect(states.at(-1)).toBe('offline');
  expect(errors).toHaveLength(1);
});

test('what is waited for is not answered by what is unreadable elsewhere', () => {
  const { client, refused } = start();
  const socket = online();
  const { clientId } = client.send(text('x'));
  socket.hear({ type: 'error', ref: 'signal-1', code: 'bad_frame', message: '', stored: 'no' });
  expect(refused).toEqual([]);
  expect(client.pending().map((operation) => operation.client_id)).toEqual([clientId]);
});

test('a frame of a shape that nobody knows ends neither the connection nor the program', () => {
  const { errors, states } = start();
  const socket = online();
  for (const frame of [null, 7, [], { type: 'new' }, { type: 'entry' }, { type: 'sync_page' }]) {
    socket.onmessage?.({ data: JSON.stringify(frame) });
  }
  expect(states.at(-1)).toBe('online');
  expect(errors.length).toBeGreaterThan(0);
});

test('a token that came too late is not a refused one', () => {
  const { states } = start();
  latest().drop(4001, 'no token in time');
  expect(states.at(-1)).toBe('offline');
  vi.advanceTimersByTime(1_000);
  online();
  expect(states.at(-1)).toBe('online');
});
