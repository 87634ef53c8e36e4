import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { conversation_id, entry, error, FakeSocket, online, sent, start } from './fake';
import type { Entry } from './frames';

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const mine = (seq: number): Entry => ({ ...entry(seq), sender: { id: 'ann', type: 'user' } });

/** A client whose log begins with these. */
function holding(...entries: Entry[]) {
  const all = start();
  const socket = online();
  socket.hear({ type: 'sync_page', conversation_id, head: entries.length, entries });
  socket.hear({ type: 'synced', epoch: 'e' });
  const contents = () => all.client.log(conversation_id).entries.map(({ content }) => content);
  return { ...all, socket, contents };
}

test('an edit, a delete and a reaction are frames of their own with all that was said', () => {
  const { client, socket } = holding(mine(1));
  const edited = { content: { text: 'b' }, mentions: ['bob'], extra: { a: 1 }, base: 0 };
  const { clientId } = client.edit({ conversation_id, seq: 1, ...edited });
  expect(socket.saidOf('edit')).toEqual([
    { type: 'edit', ref: clientId, client_id: clientId, conversation_id, seq: 1, ...edited },
  ]);
  socket.hear(sent(clientId, 2));
  const reaction = client.react(conversation_id, 1, '👍');
  const frame = { conversation_id, seq: 1, key: '👍', on: true, client_id: reaction.clientId };
  expect(socket.saidOf('react')).toEqual([{ type: 'react', ref: reaction.clientId, ...frame }]);
  socket.hear(sent(reaction.clientId, 3));
  const deleted = client.delete({ conversation_id, seqs: [1, 2], reason: 'oh' });
  expect(socket.saidOf('delete')).toEqual([
    {
      type: 'delete',
      ref: deleted.clientId,
      client_id: deleted.clientId,
      conversation_id,
      seqs: [1, 2],
      reason: 'oh',
    },
  ]);
});

test('what was stored is an entry of the own log, as others have it', () => {
  const { client, socket } = holding(mine(1), mine(2), entry(3));
  const store = ({ clientId }: { clientId: string }, seq: number) => {
    socket.hear(sent(clientId, seq));
    return client.log(conversation_id).at(seq);
  };
  const react = store(client.react(conversation_id, 3, 'x', false), 4);
  expect(react).toMatchObject({ kind: 'reaction', target: 3, content: { key: 'x', on: false } });
  const edit = store(client.edit({ conversation_id, seq: 1, content: { text: 'b' } }), 5);
  expect(edit).toMatchObject({ kind: 'edit', target: 1, content: { content: { text: 'b' } } });
  const own = store(client.delete({ conversation_id, seqs: [1, 2] }), 6);
  expect(own).toMatchObject({ kind: 'delete', content: { by: 'sender', seqs: [[1, 2]] } });
  expect(own?.target).toBeUndefined();
  const other = store(client.delete({ conversation_id, seq: 3 }), 7);
  expect(other).toMatchObject({ kind: 'delete', target: 3, content: { by: 'admin' } });
});

test('what is deleted has no content on this device any more, and neither have its edits', () => {
  const edit = (seq: number, target: number): Entry => ({
    ...entry(seq),
    kind: 'edit',
    target,
    content: { content: { text: 'again' } },
  });
  const { client, socket, contents } = holding(entry(1), entry(2), edit(3, 1), edit(4, 2));
  const gone: number[][] = [];
  client.on('expired', (entries) => gone.push(entries.map(({ seq }) => seq)));
  socket.hear({ ...entry(5), kind: 'delete', target: 1, content: { by: 'sender' } });
  expect(contents().slice(0, 4)).toEqual([{}, entry(2).content, {}, edit(4, 2).content]);
  socket.hear({ ...entry(6), kind: 'delete', content: { by: 'sender', seqs: [[1, 2]] } });
  expect(contents().slice(0, 4)).toEqual([{}, {}, {}, {}]);
  expect(gone).toEqual([
    [1, 3],
    [2, 4],
  ]);
});

test('a change that is refused holds up nothing that was written behind it', async () => {
  const { client, socket, refused } = holding(entry(1));
  const edit = client.edit({ conversation_id, seq: 1, content: { text: 'b' } });
  client.send({ conversation_id, content: { text: 'after' } });
  socket.hear(error(edit.clientId, 'forbidden'));
  await expect(edit.stored).rejects.toMatchObject({ code: 'forbidden' });
  expect(refused).toEqual([[edit.clientId, 'forbidden']]);
  expect(socket.sends()).toHaveLength(1);
  expect(client.refused()).toEqual([]);
});

test('replies in a thread count as unread only where they stand among all messages, too', async () => {
  const { counts } = await import('./kinds');
  expect(counts({ ...entry(2), thread: 1 }, 'ann')).toBe(false);
  expect(counts({ ...entry(2), thread: 1, also_in_main: true }, 'ann')).toBe(true);
});

test('a press of a card is a frame of its own, and its answer moves no log', async () => {
  const { client, socket } = holding(entry(1));
  const { clientId, stored } = client.act({
    conversation_id,
    seq: 1,
    bot: 'bot',
    action_id: 'yes',
    value: 'y',
  });
  const said = { conversation_id, seq: 1, bot: 'bot', action_id: 'yes', value: 'y' };
  expect(socket.saidOf('act')).toEqual([{ type: 'act', ref: clientId, client_id: clientId, ...said }]);
  const answer = { type: 'sent' as const, client_id: clientId, conversation_id, seq: 1, timestamp: 1 };
  socket.hear(answer);
  await expect(stored).resolves.toEqual(answer);
  expect(client.log(conversation_id).cursor).toBe(1);
  expect(client.log(conversation_id).at(1)).toEqual(entry(1));
  expect(client.pending()).toEqual([]);
});

test('what a moderator deletes where they are no member begins no log', () => {
  const { client, socket } = holding(entry(1));
  const foreign = '0198c0de-0000-7000-8000-00000000000f';
  const { clientId } = client.delete({ conversation_id: foreign, seq: 3, reason: 'spam' });
  socket.hear({ ...sent(clientId, 9), conversation_id: foreign });
  expect([...client.logs.keys()]).toEqual([conversation_id]);
});

test('an own reaction that no entry tells of is told by an event of its own', () => {
  const { client, socket } = holding(entry(1), entry(2));
  const heard: unknown[] = [];
  client.on('reacted', ({ seq, key, on }, { tallied, unchanged }) => {
    heard.push([seq, key, on, tallied, unchanged]);
  });
  const answer = ({ clientId }: { clientId: string }, more: object) => {
    const { id: _, ...told } = sent(clientId, 2);
    socket.hear({ ...told, ...more });
  };
  answer(client.react(conversation_id, 1, 'x'), { tallied: true });
  answer(client.react(conversation_id, 1, 'x', false), { unchanged: true });
  answer(client.pin(conversation_id, 1), { unchanged: true });
  socket.hear(sent(client.react(conversation_id, 1, 'y').clientId, 3));
  expect(heard).toEqual([
    [1, 'x', true, true, undefined],
    [1, 'x', false, undefined, true],
  ]);
});
