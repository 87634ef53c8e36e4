import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { directId } from './direct';
import {
  conversation_id,
  entry,
  error,
  FakeSocket,
  latest,
  online,
  sent,
  start,
  text,
  welcome,
} from './fake';
import { memoryStorage } from './storage';

const words = (socket: FakeSocket) => socket.sends().map((frame) => (frame.content as { text: string }).text);

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a promise is kept when it is stored, and refused when that is for good', async () => {
  const { client } = start();
  const socket = online();
  const one = client.send(text('one'));
  socket.hear(sent(one.clientId, 7));
  await expect(one.stored).resolves.toMatchObject({ conversation_id, seq: 7 });
  const two = client.send(text('two'));
  socket.hear(error(two.clientId, 'too_large'));
  await expect(two.stored).rejects.toMatchObject({ name: 'RefusedError', code: 'too_large' });
});

test('every field of a message is sent, and comes back in the own log', () => {
  const { client } = start();
  const socket = online();
  const message = {
    conversation_id,
    content: { text: 'hi' },
    kind: 'text',
    reply_to: 3,
    mentions: ['bob'],
    is_important: true,
    extra: { colour: 'red' },
    device_type: 'ios' as const,
  };
  const { clientId } = client.send(message);
  expect(socket.sends()).toEqual([{ type: 'send', ref: clientId, client_id: clientId, ...message }]);
  socket.hear(sent(clientId, 1));
  const { device_type: _, ...entry } = message;
  expect(client.log(conversation_id).entries).toMatchObject([{ ...entry, sender: { id: 'ann' }, seq: 1 }]);
});

test('what was written in one conversation goes one after the other, in the order of writing', () => {
  const { client } = start();
  for (const n of [1, 2, 3]) client.send(text(`${n}`));
  const socket = online();
  client.send(text('4'));
  for (let seq = 1; seq <= 4; seq++) {
    expect(words(socket)).toHaveLength(seq);
    socket.hear(sent(socket.sends().at(-1)?.client_id, seq));
  }
  expect(words(socket)).toEqual(['1', '2', '3', '4']);
  expect(client.pending()).toEqual([]);
});

test('what is refused for now is not overtaken by what comes later', () => {
  const { client } = start();
  const socket = online();
  const first = client.send(text('m1'));
  socket.hear(error(first.clientId, 'rate_limited', { retry_after_ms: 900 }));
  vi.advanceTimersByTime(50);
  client.send(text('m2'));
  vi.advanceTimersByTime(849);
  expect(words(socket)).toEqual(['m1']);
  vi.advanceTimersByTime(2);
  socket.hear(sent(first.clientId, 1));
  expect(words(socket)).toEqual(['m1', 'm1', 'm2']);
});

test('a queue that waits stops no other, but a limit of the user stops all', () => {
  const { client } = start();
  const socket = online();
  const other = '0198c0de-0000-7000-8000-0000000000c2';
  const first = client.send(text('m1'));
  socket.hear(error(first.clientId, 'unavailable', { retry_after_ms: 900 }));
  const second = client.send({ ...text('other'), conversation_id: other });
  expect(words(socket)).toEqual(['m1', 'other']);
  socket.hear(error(second.clientId, 'rate_limited', { retry_after_ms: 2_000, limit: 'messages' }));
  client.send({ to: 'bob', content: { text: 'third' } });
  vi.advanceTimersByTime(1_900);
  expect(words(socket)).toEqual(['m1', 'other']);
  vi.advanceTimersByTime(200);
  expect(words(socket).sort()).toEqual(['m1', 'm1', 'other', 'other', 'third']);
});

test('never more are under way than the server takes at once', () => {
  const { client } = start();
  for (let n = 0; n < 10; n++) client.send({ to: `user-${n}`, content: { text: `${n}` } });
  const socket = latest();
  socket.onopen?.();
  socket.hear({ ...welcome, limits: { in_flight: 3, frame_bytes: 1 << 20 } });
  expect(words(socket)).toEqual(['0', '1', '2']);
  socket.hear(sent(socket.sends()[1]?.client_id, 1));
  expect(words(socket)).toEqual(['0', '1', '2', '3']);
});

test('what is written to a user and to the conversation with them is one queue', () => {
  const { client } = start();
  const socket = online();
  const first = client.send({ to: 'bob', content: { text: 'to bob' } });
  client.send({ conversation_id: directId('ann', 'bob'), content: { text: 'there' } });
  expect(words(socket)).toEqual(['to bob']);
  socket.hear(sent(first.clientId, 1));
  expect(words(socket)).toEqual(['to bob', 'there']);
});

test.each(['bad_frame', 'invalid', 'too_large', 'conflict'])(
  'a message that is refused with %s is told of, and the next one goes',
  (code) => {
    const { client, refused } = start();
    const socket = online();
    const { clientId } = client.send(text('bad'));
    client.send(text('good'));
    socket.hear(error(clientId, code));
    expect(refused).toEqual([[clientId, code]]);
    expect(words(socket)).toEqual(['bad', 'good']);
    expect(client.refused()).toMatchObject([{ operation: text('bad'), error: { code } }]);
  },
);

test.each(['not_member', 'not_found', 'forbidden', 'quota_exceeded'])(
  'a refusal with %s takes all that waits behind it out, and nothing is overtaken',
  (code) => {
    const { client, refused } = start();
    const socket = online();
    const all = ['1', '2', '3'].map((word) => client.send(text(word)).clientId);
    socket.hear(error(all[0], code));
    expect(refused).toEqual(all.map((id) => [id, code]));
    expect(words(socket)).toEqual(['1']);
    expect(client.pending()).toEqual([]);
  },
);

test('a fault of the server is tried once more, then told', () => {
  const { client, refused } = start();
  const socket = online();
  const { clientId } = client.send(text('x'));
  socket.hear(error(clientId, 'internal'));
  vi.advanceTimersByTime(2_000);
  expect(words(socket)).toEqual(['x', 'x']);
  socket.hear(error(clientId, 'internal'));
  expect(refused).toEqual([[clientId, 'internal']]);
});

test('what was refused is sent again at its place, or discarded', async () => {
  const { client } = start();
  const socket = online();
  const [one, two] = ['one', 'two'].map((word) => client.send(text(word)).clientId);
  socket.hear(error(one, 'not_member'));
  client.resend(two ?? '');
  const again = client.resend(one ?? '');
  expect(client.pending().map((operation) => !operation.type && operation.content.text)).toEqual([
    'one',
    'two',
  ]);
  // The second is under way already: nothing gets before it.
  expect(words(socket)).toEqual(['one', 'two']);
  socket.hear(sent(two, 1));
  expect(words(socket)).toEqual(['one', 'two', 'one']);
  socket.hear(error(one, 'forbidden'));
  expect(client.discard(one ?? '')).toBe(true);
  await expect(again?.stored).rejects.toMatchObject({ code: 'forbidden' });
  expect(client.refused()).toEqual([]);
});

test('what is in conflict is sent again under a new id', () => {
  const { client } = start();
  const socket = online();
  const { clientId } = client.send(text('x'));
  socket.hear(error(clientId, 'conflict'));
  const again = client.resend(clientId);
  expect(again?.clientId).not.toBe(clientId);
  expect(socket.sends().at(-1)?.client_id).toBe(again?.clientId);
});

test('what waits can be discarded, what is under way cannot', async () => {
  const { client } = start();
  online();
  const one = client.send(text('one'));
  const two = client.send(text('two'));
  expect(client.discard(one.clientId)).toBe(false);
  expect(client.discard(two.clientId)).toBe(true);
  await expect(two.stored).rejects.toMatchObject({ code: 'discarded' });
});

test('an error that names only the ref is the answer to its operation', () => {
  const { client, refused } = start();
  const socket = online();
  const { clientId } = client.send({ to: 'jürgen', content: { text: 'x' } });
  client.send(text('y'));
  socket.hear({ type: 'error', ref: clientId, code: 'bad_frame', message: '', stored: 'no' });
  expect(refused).toEqual([[clientId, 'bad_frame']]);
});

test('an error that names nothing is the answer to the one operation under way', () => {
  const { client, refused } = start();
  const socket = online();
  const { clientId } = client.send({ to: 'jürgen', content: { text: 'x' } });
  socket.hear({ type: 'error', code: 'bad_frame', message: '', stored: 'no' });
  expect(refused).toEqual([[clientId, 'bad_frame']]);
  expect(client.pending()).toEqual([]);
  socket.drop();
  vi.advanceTimersByTime(1_000);
  expect(online().sends()).toEqual([]);
});

test('of several operations the unreadable one is found by sending them one by one', () => {
  const { client, refused } = start();
  const socket = online();
  const [ann, bad, cleo] = ['anna', 'jürgen', 'cleo'].map(
    (to) => client.send({ to, content: { text: to } }).clientId,
  );
  socket.hear({ type: 'error', code: 'bad_frame', message: '', stored: 'no' });
  // Another error of the same moment blames nobody.
  socket.hear({ type: 'error', code: 'bad_frame', message: '', stored: 'no' });
  expect(socket.said.at(-1)).toEqual({ type: 'ping' });
  socket.hear({ type: 'pong' });
  expect(words(socket)).toEqual(['anna', 'jürgen', 'cleo', 'anna']);
  socket.hear(sent(ann, 1));
  socket.hear({ type: 'error', code: 'bad_frame', message: '', stored: 'no' });
  expect(refused).toEqual([[bad, 'bad_frame']]);
  socket.hear(sent(cleo, 1));
  expect(client.pending()).toEqual([]);
});

test('what is larger than a frame may be is refused before it is sent, and the next one goes', () => {
  const { client, refused } = start();
  const big = client.send(text('p'.repeat(1_100_000)));
  client.send(text('short'));
  const socket = latest();
  socket.onopen?.();
  socket.hear({ ...welcome, limits: { in_flight: 32, frame_bytes: 1 << 20 } });
  expect(refused).toEqual([[big.clientId, 'too_large']]);
  expect(words(socket)).toEqual(['short']);
  expect(FakeSocket.all).toHaveLength(1);
});

test('what a connection is closed for as too large is refused, not sent again for ever', () => {
  const { client, refused } = start();
  const { clientId } = client.send(text('a proxy does not take it'));
  client.send(text('short'));
  online().drop(1009);
  expect(refused).toEqual([[clientId, 'too_large']]);
  vi.advanceTimersByTime(1_000);
  expect(words(online())).toEqual(['short']);
});

test('a close that an error has explained blames nobody else', () => {
  const { client, refused } = start();
  const { clientId } = client.send(text('a proxy does not take it'));
  client.send(text('short'));
  const socket = online();
  socket.hear({ type: 'error', code: 'too_large', message: '', stored: 'no' });
  expect(words(socket)).toEqual(['a proxy does not take it', 'short']);
  socket.drop(1009);
  expect(refused).toEqual([[clientId, 'too_large']]);
  vi.advanceTimersByTime(1_000);
  expect(words(online())).toEqual(['short']);
});

test('of several that may have been too large each goes alone', () => {
  const { client, refused } = start();
  const [one, big, three] = ['one', 'big', 'three'].map(
    (to) => client.send({ to, content: { text: to } }).clientId,
  );
  online().drop(1009);
  vi.advanceTimersByTime(1_000);
  const second = online();
  expect(words(second)).toEqual(['one']);
  second.hear(sent(one, 1));
  expect(words(second)).toEqual(['one', 'big']);
  second.drop(1009);
  expect(refused).toEqual([[big, 'too_large']]);
  vi.advanceTimersByTime(2_000);
  expect(latest().readyState).toBe(1);
  const third = online();
  third.hear(sent(three, 1));
  expect(client.pending()).toEqual([]);
});

test('an operation without an answer is asked for again, then the connection is given up', () => {
  const { client } = start();
  const socket = online();
  const live = setInterval(() => socket.hear({ type: 'pong' }), 1_000);
  const { clientId } = client.send(text('x'));
  vi.advanceTimersByTime(20_100);
  expect(socket.sends().map((frame) => frame.client_id)).toEqual([clientId, clientId]);
  vi.advanceTimersByTime(20_200);
  clearInterval(live);
  expect(FakeSocket.all).toHaveLength(2);
  expect(
    online()
      .sends()
      .map((frame) => frame.client_id),
  ).toEqual([clientId]);
});

test('what came back in the log is stored, by whichever client it was sent', async () => {
  const { client } = start();
  const socket = online();
  const { clientId, stored } = client.send(text('x'));
  socket.hear({ ...entry(1), sender: { id: 'ann', type: 'user' }, client_id: clientId });
  await expect(stored).resolves.toMatchObject({ seq: 1, client_id: clientId });
  expect(client.pending()).toEqual([]);
});

test('a listener that sends when it is told of a refusal does not overtake', () => {
  const { client } = start();
  const socket = online();
  client.on('refused', () => {
    if (client.pending().length === 0) client.send(text('after'));
  });
  const { clientId } = client.send(text('1'));
  client.send(text('2'));
  socket.hear(error(clientId, 'not_member'));
  expect(words(socket)).toEqual(['1', 'after']);
});

test('the same client id twice is one operation', () => {
  const { client } = start();
  online();
  const client_id = '0198c0de-0000-7000-8000-00000000000a';
  const one = client.send({ ...text('x'), client_id });
  const two = client.send({ ...text('x'), client_id });
  expect(two.stored).toBe(one.stored);
  expect(client.pending()).toHaveLength(1);
});

test('full storage takes nothing: what is written is sent once, and told of', () => {
  const storage = {
    ...memoryStorage(),
    setItem: () => {
      throw new Error('QuotaExceededError');
    },
  };
  const { client, errors } = start({ storage });
  const socket = online();
  const { clientId } = client.send(text('x'));
  socket.hear(sent(clientId, 1));
  expect(words(socket)).toEqual(['x']);
  expect(client.pending()).toEqual([]);
  expect(errors.map((one) => one.code)).toEqual(['storage']);
});

test('forbidden storage is as none', async () => {
  const forbidden = () => {
    throw new Error('SecurityError');
  };
  const storage = { getItem: forbidden, setItem: forbidden, removeItem: forbidden, keys: forbidden };
  const { client } = start({ storage });
  const socket = online();
  const { clientId } = client.send(text('x'));
  await vi.advanceTimersByTimeAsync(10_000);
  socket.hear(sent(clientId, 1));
  expect(words(socket)).toEqual(['x']);
});

test('more than can be kept is refused at once', async () => {
  const { client } = start();
  for (let n = 0; n < 10_000; n++) client.send(text('x'));
  await expect(client.send(text('one more')).stored).rejects.toMatchObject({ code: 'outbox_full' });
});
