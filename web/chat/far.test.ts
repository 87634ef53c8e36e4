import { expect, test, vi } from 'vitest';
import { entry } from '../sdk/fake';
import type { Entry } from '../sdk/frames';
import { signal } from './signals';

vi.stubGlobal('document', { head: { append: () => {} }, createElement: () => ({}) });
vi.mock('./OpenThread', () => ({}));
vi.mock('./parts', () => ({ loadExtras: async () => undefined }));
const { Far, reach } = await import('./far');
const { openThread } = await import('./threading');

const ID = 'c';
const seqs = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** A session that holds the log from `first` on, of a log with messages from 1 to `head`. */
function sessionOf({ first, head, thread = [] }: { first: number; head: number; thread?: number[] }) {
  let held: Entry[] = seqs(first, head).map((seq) => entry(seq));
  const asked: object[] = [];
  const inMain = (from: number, to: number) =>
    seqs(Math.max(1, from), Math.min(head, to))
      .filter((seq) => !thread.includes(seq))
      .map((seq) => entry(seq));
  const messagesNow = async (
    _: string,
    query: { before_seq?: number; after_seq?: number; around_seq?: number; limit: number },
  ) => {
    asked.push(query);
    const { before_seq, after_seq, around_seq, limit } = query;
    const from =
      before_seq !== undefined ? before_seq - limit : (after_seq ?? (around_seq ?? 0) - limit / 2) + 1;
    const to = before_seq !== undefined ? before_seq - 1 : from + limit - 1;
    const next_before_seq = after_seq === undefined && from > 1 ? from : undefined;
    const next_after_seq = before_seq === undefined && to < head ? to : undefined;
    return { entries: inMain(from, to), as_of: head, states: {}, next_before_seq, next_after_seq };
  };
  const message = async (_: string, seq: number) => {
    if (seq > head) throw Object.assign(new Error('none'), { code: 'not_found' });
    return { entry: { ...entry(seq), ...(thread.includes(seq) && { thread: 5 }) }, as_of: head };
  };
  const session = {
    api: async () => ({ messagesNow, message }),
    met: () => {},
    entries: () => held,
    far: signal<InstanceType<typeof Far> | undefined>(undefined),
    problem: signal(''),
    olderUntil: vi.fn(async () => {}),
  };
  return {
    session: session as never as Parameters<typeof reach>[0],
    asked,
    olderUntil: session.olderUntil,
    hold: (from: number) => {
      held = seqs(from, head).map((seq) => entry(seq));
    },
  };
}
const all = () => true;

test('far from what is held one page around a message is read, and from there on it goes both ways', async () => {
  const { session, asked } = sessionOf({ first: 901, head: 1_000 });
  const { far } = (await reach(session, ID, 300, true)) ?? {};
  session.far.value = far;
  expect(asked).toEqual([{ around_seq: 300, limit: 100 }]);
  const held = session.entries(ID);
  expect(far?.list(held, all).map(({ seq }) => seq)).toEqual(seqs(251, 350));
  expect(far?.isJoined(held)).toBe(false);
  expect(await far?.older()).toBe(true);
  let count = 0;
  while (await session.far.peek()?.newer(held)) count++;
  expect(count).toBe(5);
  const joined = session.far.peek();
  expect(joined?.list(held, all).map(({ seq }) => seq)).toEqual(seqs(151, 1_000));
  expect(joined?.covers(990, held)).toBe(true);
  expect(joined?.covers(150, held)).toBe(false);
});

test('what is near is read with the log, and what is held is not read again', async () => {
  const { session, asked, olderUntil } = sessionOf({ first: 901, head: 1_000 });
  expect(await reach(session, ID, 950, true)).toEqual({ far: undefined });
  expect(await reach(session, ID, 800, false)).toEqual({ far: undefined });
  expect(olderUntil).toHaveBeenCalledWith(ID, 800, 1);
  session.far.value = (await reach(session, ID, 300, true))?.far;
  expect((await reach(session, ID, 310, true))?.far).toBe(session.far.peek());
  expect(asked).toHaveLength(1);
});

test('a reply opens its thread, and what is not there is said', async () => {
  const { session } = sessionOf({ first: 901, head: 1_000, thread: [300] });
  expect(await reach(session, ID, 300, true)).toBeUndefined();
  expect(openThread.value).toEqual({ id: ID, seq: 5, goal: 300 });
  expect(session.problem.value).toBe('');
  expect(await reach(session, ID, 5_000, true)).toBeUndefined();
  expect(session.problem.value).toContain('not here any more');
});

test('what is held is bounded, and what was pushed out is read again', async () => {
  const { session } = sessionOf({ first: 901, head: 1_000 });
  const begin = new Far(
    session,
    ID,
    seqs(401, 500).map((seq) => entry(seq)),
    401,
    500,
    150,
  );
  session.far.value = begin;
  const held = session.entries(ID);
  await begin.older();
  const older = session.far.peek();
  expect(older?.list(held, all).map(({ seq }) => seq)).toEqual(seqs(301, 450));
  await older?.newer(held);
  expect(
    session.far
      .peek()
      ?.list(held, all)
      .map(({ seq }) => seq),
  ).toEqual(seqs(401, 550));
  expect(session.far.peek()?.first).toBe(401);
});

test('a reader who has gone elsewhere meanwhile stays there', async () => {
  const { session } = sessionOf({ first: 901, head: 1_000 });
  const far = (await reach(session, ID, 300, true))?.far;
  session.far.value = far;
  const going = far?.older();
  session.far.value = undefined;
  await going;
  expect(session.far.peek()).toBeUndefined();
});
