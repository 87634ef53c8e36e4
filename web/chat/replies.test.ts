import { expect, test, vi } from 'vitest';
import { entry } from '../sdk/fake';
import type { Entry } from '../sdk/frames';

const told: { entries: number[]; as_of: number; states: object | undefined }[] = [];
vi.mock('./folded', () => ({
  messagesOf: () => ({
    page: ({ entries, ...rest }: { entries: Entry[]; as_of: number; states: object | undefined }) =>
      told.push({ entries: entries.map(({ seq }) => seq), ...rest }),
  }),
}));
const { Replies } = await import('./replies');

const ROOT = 3;
const reply = (seq: number): Entry => ({ ...entry(seq), thread: ROOT });
const seqsOf = (entries: readonly Entry[]) => entries.map(({ seq }) => seq);

/** A thread with a reply at each tenth seq up to 3,000. */
function thread({ isRootSeen = true } = {}) {
  const replies = Array.from({ length: 300 }, (_, at) => reply((at + 1) * 10));
  const rest = {
    message: async () => {
      if (!isRootSeen) throw new Error('not found');
      return { entry: entry(ROOT), as_of: 3_000, state: { as_of: 9 } };
    },
    replies: vi.fn(async (_: string, __: number, { before_seq = 9_999, limit = 0 }) => {
      const before = replies.filter(({ seq }) => seq < before_seq);
      return { entries: before.slice(-limit), more: before.length > limit };
    }),
    changes: vi.fn(async (_: string, { from_seq, to_seq }: { from_seq: number; to_seq: number }) => {
      const next_from_seq = to_seq - from_seq > 500 ? from_seq + 500 : undefined;
      return { as_of: 3_000, states: {}, next_from_seq };
    }),
  };
  const session = { api: async () => rest, met: () => {} };
  return { rest, replies: new Replies(session as never, 'c', ROOT) };
}

test('the first message and the newest replies are read, with what became of them', async () => {
  told.length = 0;
  const { replies } = thread();
  await replies.begin();
  const held = seqsOf(replies.with([]));
  expect([held[0], held[1], held.at(-1), held.length]).toEqual([ROOT, 2_010, 3_000, 101]);
  expect(replies.before.value).toBe(2_010);
  // The changes came in two parts, and each says of which replies.
  expect(told.flatMap(({ entries }) => entries).sort((a, b) => a - b)).toEqual(held);
  expect(told.map(({ as_of }) => as_of)).toEqual([3_000, 3_000, 3_000]);
});

test('earlier replies come page by page, or up to one that is wanted', async () => {
  const { replies } = thread();
  await replies.begin();
  await replies.earlier();
  expect(replies.with([])).toHaveLength(201);
  await replies.back(500);
  expect(seqsOf(replies.with([]))).toContain(500);
  expect(replies.before.value).toBeUndefined();
});

test('what the log holds is added and stays, and a first message that is not seen is none', async () => {
  const { replies } = thread({ isRootSeen: false });
  await replies.begin();
  expect(seqsOf(replies.with([reply(3_010), entry(3_011)])).at(-1)).toBe(3_010);
  expect(seqsOf(replies.with([])).at(-1)).toBe(3_010);
  expect(seqsOf(replies.with([]))[0]).toBe(2_010);
  expect(replies.problem.value).toBe('');
});
