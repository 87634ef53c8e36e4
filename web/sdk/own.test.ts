import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { conversation_id, entry, FakeSocket, latest, sent, start, welcome } from './fake';
import type { Entry } from './frames';
import { Own } from './own';
import { memoryStorage } from './storage';

const self_log = '9b1c0d8e-4f0a-8a7b-b3c2-5d6e7f809a1b';

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const setting = (seq: number, content: object): Entry => ({
  ...entry(seq),
  conversation_id: self_log,
  kind: 'set',
  content,
});
const page = (more: object) => ({
  type: 'sync_page',
  conversation_id: self_log,
  entries: [],
  head: 9,
  more: false,
  reset: false,
  ...more,
});
const own = (settings: object[]) => page({ more: true, own: { as_of: 8, settings } });

function begin(options = {}) {
  const { client } = start(options);
  const changed = vi.fn();
  const settings = new Own(client, changed);
  const socket = latest();
  socket.onopen?.();
  socket.hear({ ...welcome, self_log });
  return { client, settings, socket, changed };
}

test('what a new device is told in parts is what is set, and entries after it change that', () => {
  const { settings, socket, changed } = begin();
  socket.hear(own([{ what: 'mute', conversation_id, value: { until: null, mentions: false }, as_of: 3 }]));
  socket.hear(own([{ what: 'push', value: { content: 'none' }, as_of: 9 }]));
  socket.hear(
    page({ entries: [setting(9, { what: 'push', value: { content: 'full' } })], skipped_before: 9 }),
  );
  socket.hear({ type: 'synced', epoch: 'e', conversations: 0 });
  expect(settings.isKnown).toBe(true);
  expect(settings.get('mute', conversation_id)).toEqual({ until: null, mentions: false });
  // It is in the parts already.
  expect(settings.get('push')).toEqual({ content: 'none' });
  expect(settings.get('pin', conversation_id)).toBeUndefined();
  changed.mockClear();
  socket.hear(setting(10, { what: 'mute', conversation_id, value: null }));
  socket.hear(setting(11, { what: 'pin', conversation_id, value: true }));
  socket.hear(setting(12, { what: 'follow_thread', conversation_id, thread: 4, value: false }));
  expect(settings.get('mute', conversation_id)).toBeUndefined();
  expect(settings.get('pin', conversation_id)).toBe(true);
  expect(settings.get('follow_thread', conversation_id, 4)).toBe(false);
  expect(settings.get('follow_thread', conversation_id, 5)).toBeUndefined();
  expect(changed).toHaveBeenCalledTimes(3);
});

test('what is told anew takes the place of what was known', () => {
  const { settings, socket } = begin();
  socket.hear(own([{ what: 'pin', conversation_id, value: true, as_of: 3 }]));
  socket.hear(page({ entries: [setting(9, { what: 'push', value: null })], skipped_before: 9 }));
  socket.hear({ ...own([]), reset: true });
  socket.hear(page({ entries: [setting(9, { what: 'push', value: null })], skipped_before: 9 }));
  expect(settings.get('pin', conversation_id)).toBeUndefined();
});

test('the first entry of all is the whole', () => {
  const { settings, socket } = begin();
  expect(settings.isKnown).toBe(false);
  socket.hear(setting(1, { what: 'archive', conversation_id, value: true }));
  expect(settings.isKnown).toBe(true);
  expect(settings.get('archive', conversation_id)).toBe(true);
});

test('where a sync brings no self log, nothing was ever set, and that is known', () => {
  const { settings, changed, socket } = begin();
  socket.hear({ type: 'synced', epoch: 'e', conversations: 0 });
  expect(settings.isKnown).toBe(true);
  expect(changed).toHaveBeenCalledTimes(1);
});

test('what is set here counts at once, is sent in its order and comes into the log', async () => {
  const { client, settings, socket } = begin();
  const { clientId, stored } = client.set({ what: 'mute', conversation_id, value: { until: null } });
  client.set({ what: 'mute', conversation_id, value: null });
  expect(settings.get('mute', conversation_id)).toBeUndefined();
  expect(socket.saidOf('set')).toEqual([
    {
      type: 'set',
      ref: clientId,
      client_id: clientId,
      what: 'mute',
      conversation_id,
      value: { until: null },
    },
  ]);
  socket.hear({ ...sent(clientId, 1), conversation_id: self_log });
  await expect(stored).resolves.toMatchObject({ seq: 1 });
  expect(client.log(self_log).entries).toMatchObject([
    { kind: 'set', content: { what: 'mute', conversation_id, value: { until: null } } },
  ]);
  const again = socket.saidOf('set')[1];
  expect(again).toMatchObject({ value: null });
  socket.hear({ ...sent(again?.client_id, 2), conversation_id: self_log });
  expect(settings.get('mute', conversation_id)).toBeUndefined();
  expect(client.pending()).toEqual([]);
});

test('drafts are those that the log says', () => {
  const { client, settings, socket } = begin();
  const draft = { conversation_id, content: { text: 'half' }, as_of: 4, timestamp: 4 };
  socket.hear(page({ more: true, own: { as_of: 8, settings: [], drafts: [draft] } }));
  const back = { ...entry(9), conversation_id: self_log, kind: 'draft' };
  const aside = { conversation_id, thread: 7, content: { text: 'aside' } };
  socket.hear(page({ entries: [{ ...back, content: aside }], skipped_before: 9 }));
  expect(settings.draft(conversation_id)).toMatchObject({ content: { text: 'half' }, asOf: 4 });
  expect(settings.draft(conversation_id, 7)).toMatchObject({ content: { text: 'aside' }, asOf: 9 });
  const { clientId } = client.draft({ conversation_id, content: null, base: 9 });
  expect(socket.saidOf('draft')).toMatchObject([{ conversation_id, content: null, base: 9 }]);
  socket.hear({ ...sent(clientId, 10), conversation_id: self_log });
  expect(settings.draft(conversation_id)).toMatchObject({ content: undefined, asOf: 10 });
  expect([...settings.drafts()]).toHaveLength(2);
});

test('another conversation waits for nothing that is set', () => {
  const { client, socket } = begin();
  client.set({ what: 'pin', conversation_id, value: true });
  client.send({ conversation_id, content: { text: 'hi' } });
  expect(socket.sends()).toHaveLength(1);
});

test('a restarted program is told all that is set', async () => {
  const cursors = memoryStorage();
  // Code is loaded on the way.
  vi.useRealTimers();
  const { client } = start({ cursors });
  await vi.waitFor(() => expect(latest()).toBeDefined());
  const socket = latest();
  socket.onopen?.();
  socket.hear({ ...welcome, self_log });
  socket.hear(setting(1, { what: 'pin', conversation_id, value: true }));
  socket.hear({ ...entry(1) });
  socket.hear({ type: 'synced', epoch: 'e', conversations: 1 });
  const kept = async (id: string) => [...(await cursors.keys(''))].filter((key) => key.includes(id));
  await vi.waitFor(async () => expect(await kept(conversation_id)).toHaveLength(1));
  client.disconnect();
  expect(await kept(self_log)).toEqual([]);
});
