import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { entry, pin } from '../sdk/fake';
import type { Entry } from '../sdk/frames';
import type { Conversation } from '../sdk/rest';
import { Conversations } from './conversations';
import { People } from './people';
import type { Settings } from './settings';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const PLAIN: Settings = {
  mute: undefined,
  isArchived: false,
  isPinned: false,
  isMarkedUnread: false,
  isHidden: false,
};

const of = (id: string, one: Entry): Entry => ({ ...one, conversation_id: id });

function conversation(id: string, more: Partial<Conversation> = {}): Conversation {
  return {
    id,
    kind: 'group',
    title: id,
    head: 0,
    created_at: 1,
    member_count: 1,
    my_role: 'member',
    my_delivered_seq: 0,
    my_read_seq: 0,
    unread: 0,
    members: [],
    ...more,
  };
}

/** A list of which the server says this. */
function listOf(...pages: Conversation[][]) {
  const logs = new Map<string, Entry[]>();
  const expiring: Entry[] = [];
  const settings = new Map<string, Partial<Settings>>();
  const asked: string[] = [];
  const answers = new Map<string, Conversation>();
  const rest = {
    conversationPage: async ({ after }: { after?: string }) => {
      const at = Number(after ?? 0);
      return { conversations: pages[at] ?? [], next: at + 1 < pages.length ? `${at + 1}` : undefined };
    },
    conversation: async (id: string) => {
      asked.push(id);
      return answers.get(id) ?? conversation(id);
    },
    presence: async () => ({ statuses: [] }),
  };
  const list = new Conversations({
    userId: 'ann',
    rest: rest as never,
    people: new People(),
    entriesOf: (id) => logs.get(id) ?? [],
    expire: (entries) => expiring.push(...entries),
    lost: () => {},
    settings: ({ id }) => ({ ...PLAIN, ...settings.get(id) }),
  });
  /** Entries come into a log. */
  const hear = (id: string, ...entries: Entry[]) => {
    logs.set(id, [...(logs.get(id) ?? []), ...entries.map((one) => of(id, one))]);
    list.arrived(id);
  };
  return { list, hear, logs, expiring, asked, answers, settings };
}

const text = (seq: number, timestamp = seq): Entry => ({ ...entry(seq), timestamp });
const words = (list: Conversations, id: string) => list.get(id)?.last_message?.content?.text;

test('the list is ordered by the newest message, whatever came after it', async () => {
  const a = conversation('a', { head: 4, last_entry: pin(4, 1), last_message: text(3, 50) });
  const b = conversation('b', { head: 2, last_entry: text(2, 60) });
  const { list, hear } = listOf([b, a]);
  await list.load();
  expect(list.order.value).toEqual(['b', 'a']);
  hear('a', { ...pin(5, 1, false), timestamp: 900 }, { ...text(6, 950), kind: 'of a later version' });
  expect(list.order.value).toEqual(['b', 'a']);
  expect(words(list, 'a')).toBe('number 3');
  hear('a', { ...text(7, 960), kind: 'notice' });
  expect(list.order.value).toEqual(['a', 'b']);
});

test('pinned conversations come first, archived ones are apart, and hidden ones in no list', async () => {
  const { list, settings, asked } = listOf([
    conversation('a', { head: 1, unread: 1, last_entry: text(1, 40) }),
    conversation('b', { head: 1, unread: 2, last_entry: text(1, 30) }),
    conversation('c', { head: 1, unread: 4, last_entry: text(1, 20) }),
    conversation('d', { head: 1, unread: 8, last_entry: text(1, 10) }),
  ]);
  settings.set('c', { isPinned: true, mute: { until: null, mentions: true } });
  settings.set('b', { isArchived: true });
  settings.set('d', { isHidden: true });
  await list.load();
  expect(list.order.value).toEqual(['c', 'a']);
  expect([list.archived.value, list.unread.value]).toEqual([1, 9]);
  list.listsArchived.value = true;
  expect(list.order.value).toEqual(['b']);
  // The server lists no hidden ones: nobody asks after them.
  for (const id of ['v', 'w', 'x', 'y']) {
    settings.set(id, { isHidden: true });
    list.put(conversation(id));
  }
  await list.load();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toEqual([]);
});

test('where no message is told a conversation stays where the server has it', async () => {
  const far = (id: string) => conversation(id, { head: 999, last_entry: { ...pin(999, 1), timestamp: 999 } });
  const near = (id: string, timestamp: number) =>
    conversation(id, { head: 1, last_entry: text(1, timestamp) });
  const { list } = listOf([near('a', 100), far('b')], [far('c'), near('d', 50)]);
  await list.load();
  expect(list.order.value).toEqual(['a', 'b', 'c', 'd']);
});

test('who has just come in finds the conversation where that puts it', async () => {
  const { list } = listOf([conversation('a', { head: 1, last_entry: text(1, 100) })]);
  await list.load();
  const created = { ...text(1, 300), kind: 'system', content: { event: 'created' } };
  list.put(conversation('new', { head: 1, created_at: 300, last_entry: created }));
  expect(list.order.value).toEqual(['new', 'a']);
});

test('pins and what was done count as nothing, and messages do', async () => {
  const { list, hear, asked } = listOf([conversation('a', { head: 1, my_read_seq: 1, last_entry: text(1) })]);
  await list.load();
  hear('a', text(1), pin(2, 1), { ...text(3), content: {} }, { ...text(4), kind: 'later' });
  expect(list.get('a')?.unread).toBe(0);
  hear('a', text(5), { ...text(6), kind: 'notice', content: { body: 'at six' } });
  expect(list.get('a')?.unread).toBe(2);
  await vi.advanceTimersByTimeAsync(1_000);
  // A pin changes no members: nothing is asked for.
  expect(asked).toEqual([]);
});

test('a reply in a thread moves nothing and is shown in no list', async () => {
  const { list, hear } = listOf([conversation('a', { head: 1, last_entry: of('a', entry(1)) })]);
  await list.load();
  const before = list.peek('a');
  hear('a', { ...entry(2), thread: 1, timestamp: 9_000 });
  expect(list.peek('a')).toMatchObject({ head: 2, unread: 0, active_at: before?.active_at });
  expect(list.peek('a')?.last_message?.seq).toBe(1);
});

test('a blank message is not shown in the list, and the one before it is', async () => {
  const blank = { ...text(2, 90), content: {} };
  const { list, logs, hear } = listOf([conversation('a', { head: 2, last_entry: blank })]);
  logs.set('a', [of('a', text(1)), of('a', blank)]);
  await list.load();
  expect(words(list, 'a')).toBe('number 1');
  hear('a', { ...text(3, 95), content: {} });
  expect(words(list, 'a')).toBe('number 1');
});

test('when the newest message has ended the server is asked what is there now', async () => {
  const ending = { ...text(2, 90), expires_at: Date.now() + 5_000 };
  const { list, expiring, asked, answers } = listOf([conversation('a', { head: 2, last_entry: ending })]);
  await list.load();
  expect(expiring).toEqual([ending]);
  ending.content = {};
  answers.set('a', conversation('a', { head: 2, last_entry: ending, last_message: text(1) }));
  list.expired('a');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toEqual(['a']);
});

test('a message that is over by this clock and not by the server’s asks for nothing again', async () => {
  const over = { ...text(2, 90), expires_at: Date.now() - 1 };
  const { list, expiring } = listOf([conversation('a', { head: 2, last_entry: over })]);
  await list.load();
  expect([expiring, words(list, 'a')]).toEqual([[], undefined]);
});

test('what has ended elsewhere than at the end of what was read asks for nothing', async () => {
  const { list, asked } = listOf([conversation('a', { head: 2, my_read_seq: 2, last_entry: text(2) })]);
  await list.load();
  list.expired('a');
  list.expired('unknown');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toEqual([]);
});
