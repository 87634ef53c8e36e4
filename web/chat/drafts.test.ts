import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { deferred } from '../sdk/deferred';
import type { Draft } from '../sdk/own';
import { Drafts } from './drafts';

function memory() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
}

test('a draft is kept by user and conversation', () => {
  const storage = memory();
  const drafts = new Drafts(storage, 'ann');
  drafts.set('a', 'half a sen');
  drafts.set('b', 'other');
  drafts.set('b', '');
  const again = new Drafts(storage, 'ann');
  expect([again.get('a'), again.get('b')]).toEqual(['half a sen', '']);
  expect(new Drafts(storage, 'bob').get('a')).toBe('');
});

test('the draft that was written longest ago makes room', () => {
  const drafts = new Drafts(memory(), 'ann');
  for (let i = 0; i < 200; i++) drafts.set(`c${i}`, 'text');
  drafts.set('c0', 'written again');
  drafts.set('c200', 'text');
  expect([drafts.get('c0'), drafts.get('c1'), drafts.get('c200')]).toEqual(['written again', '', 'text']);
});

test('drafts survive storage that is full or broken', () => {
  const full = {
    getItem: () => '{"not": "a list"}',
    setItem: () => {
      throw new Error('full');
    },
  };
  const drafts = new Drafts(full, 'ann');
  drafts.set('a', 'text');
  expect(drafts.get('a')).toBe('text');
});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A server that says and answers what a test tells it to, and the drafts of one device. */
function device(storage = memory()) {
  const known = new Map<string, Draft & { what: string; conversation_id: string }>();
  const asked: { conversation_id: string; content: { text: string } | null; base: number }[] = [];
  const answers: ReturnType<typeof deferred<{ seq: number }>>[] = [];
  const client = {
    state: 'online',
    on: () => () => {},
    draft(draft: (typeof asked)[number]) {
      asked.push(draft);
      const answer = deferred<{ seq: number }>();
      answers.push(answer);
      return { stored: answer.promise };
    },
  };
  const own = {
    isKnown: true,
    draft: (id: string) => known.get(id),
    drafts: () => known.values(),
  };
  const drafts = new Drafts(storage, 'ann');
  drafts.follow(client as never, own as never);
  const hear = (conversation_id: string, text: string, asOf: number) => {
    const content = text ? { text } : undefined;
    known.set(conversation_id, { what: 'draft', conversation_id, content, asOf });
    drafts.heard();
  };
  const stored = async (seq: number) => {
    const { conversation_id, content } = asked.at(-1) ?? { conversation_id: '', content: null };
    hear(conversation_id, content?.text ?? '', seq);
    answers.at(-1)?.resolve({ seq });
    await vi.advanceTimersByTimeAsync(0);
  };
  return { drafts, client, asked, answers, hear, stored, storage };
}

test('what is written is kept for other devices after a moment, each on top of the one before', async () => {
  const { drafts, asked, stored } = device();
  drafts.set('a', 'ha');
  drafts.set('a', 'half');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toEqual([{ conversation_id: 'a', content: { text: 'half' }, base: 0 }]);
  drafts.set('a', 'half a');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toHaveLength(1);
  await stored(5);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked[1]).toEqual({ conversation_id: 'a', content: { text: 'half a' }, base: 5 });
  await stored(6);
  drafts.set('a', '');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked[2]).toEqual({ conversation_id: 'a', content: null, base: 6 });
  await stored(7);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked).toHaveLength(3);
});

test('what another device writes is shown, unless something is written here: then both are', async () => {
  const { drafts, asked, hear } = device();
  hear('a', 'from the phone', 3);
  expect(drafts.get('a')).toBe('from the phone');
  expect(drafts.other('a')).toBeUndefined();
  hear('a', '', 4);
  expect(drafts.get('a')).toBe('');
  drafts.set('b', 'written here');
  hear('b', 'from the phone', 5);
  expect([drafts.get('b'), drafts.other('b')]).toEqual(['written here', 'from the phone']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toEqual([{ conversation_id: 'b', content: { text: 'written here' }, base: 5 }]);
  drafts.swap('b');
  expect([drafts.get('b'), drafts.other('b')]).toEqual(['from the phone', 'written here']);
  drafts.dismiss('b');
  expect(drafts.other('b')).toBeUndefined();
});

test('a draft that came too late is not lost, and the other one is shown', async () => {
  const { drafts, asked, answers, hear } = device();
  drafts.set('a', 'written here');
  await vi.advanceTimersByTimeAsync(1_000);
  answers[0]?.reject(Object.assign(new Error(), { code: 'conflict' }));
  await vi.advanceTimersByTimeAsync(0);
  hear('a', 'from the phone', 9);
  expect([drafts.get('a'), drafts.other('a')]).toEqual(['written here', 'from the phone']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked[1]).toEqual({ conversation_id: 'a', content: { text: 'written here' }, base: 9 });
});

test('without a connection drafts wait here, over a reload, too', async () => {
  const first = device();
  first.client.state = 'offline';
  first.drafts.set('a', 'half');
  await vi.advanceTimersByTimeAsync(2_000);
  expect(first.asked).toEqual([]);
  const second = device(first.storage);
  second.drafts.heard();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(second.asked).toEqual([{ conversation_id: 'a', content: { text: 'half' }, base: 0 }]);
});
