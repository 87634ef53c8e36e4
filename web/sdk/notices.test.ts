import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Entry, ServerFrame, Welcome } from './frames';
import { type Notice, type NoticeOptions, Notices } from './notices';

const LOG = '0198c0de-0000-8000-8000-0000000000aa';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

function entry(
  seq: number,
  content: object = { body: `number ${seq}`, display: 'device' },
  more = {},
): Entry {
  const sender = { id: 'operator', type: 'operator' as const };
  const id = `id-${seq}`;
  return {
    type: 'entry',
    conversation_id: LOG,
    seq,
    id,
    client_id: `n-${seq}`,
    kind: 'notice',
    sender,
    content,
    timestamp: seq,
    ...more,
  };
}

function start(options: Partial<NoticeOptions> = {}, head = 0) {
  const said: Record<string, unknown>[] = [];
  const shown: string[] = [];
  let isOnline = true;
  const show = ({ id }: Notice) => shown.push(id);
  const notices = new Notices({ show, ...options });
  const say = (frame: object) => {
    if (isOnline) said.push(frame as Record<string, unknown>);
    return isOnline;
  };
  const welcome = (notices_: number) =>
    notices.heard({ type: 'welcome', notices: notices_, notices_id: LOG } as Welcome, say);
  welcome(head);
  const hear = (frame: object) => notices.heard(frame as ServerFrame);
  const page = (entries: Entry[], more = {}) =>
    hear({ type: 'sync_page', conversation_id: LOG, entries, head: 9, more: false, reset: false, ...more });
  const synced = (only?: string) => hear({ type: 'synced', epoch: 'e', conversations: 1, only });
  const of = (type: string) => said.filter((frame) => frame.type === type);
  return { notices, said, shown, welcome, hear, page, synced, of, offline: () => (isOnline = false) };
}

test('a log that is ahead is asked for, alone, and what comes is shown and acknowledged', () => {
  const { notices, shown, page, synced, of, hear } = start({}, 3);
  expect(of('sync')).toEqual([{ type: 'sync', ref: 'notices', only: LOG, cursors: {} }]);
  expect(page([entry(2), entry(3)], { skipped_before: 2 })).toBe(true);
  expect(synced()).toBe(false);
  expect(synced(LOG)).toBe(true);
  expect(shown).toEqual(['n-2', 'n-3']);
  expect(of('delivered').at(-1)).toEqual({ type: 'delivered', conversation_id: LOG, seq: 3 });
  expect(notices.list.map(({ body }) => body)).toEqual(['number 2', 'number 3']);
  // The client has its own use of these.
  expect(hear({ type: 'pong', notices: 3 })).toBe(false);
  expect(of('sync')).toHaveLength(1);
  hear({ type: 'pong', notices: 4 });
  expect(of('sync')[1]?.cursors).toEqual({ [LOG]: { seq: 3, id: 'id-3' } });
  expect(hear({ ...entry(1), conversation_id: 'another' })).toBe(false);
});

test('a gap is closed, an answer that does not come is asked for again, and nothing is shown twice', () => {
  const { shown, hear, of, page, synced } = start({}, 0);
  hear(entry(1));
  hear(entry(3));
  expect([shown, of('sync').length]).toEqual([['n-1'], 1]);
  vi.advanceTimersByTime(5_000);
  expect(of('sync')).toHaveLength(2);
  page([entry(2), entry(3)]);
  synced(LOG);
  hear(entry(3));
  expect(shown).toEqual(['n-1', 'n-2', 'n-3']);
  vi.advanceTimersByTime(60_000);
  expect(of('sync')).toHaveLength(2);
});

test('what is blank, was taken back or has ended is in no list', () => {
  const changed = vi.fn();
  const { notices, shown, page } = start({ changed }, 5);
  const ends = entry(3, { body: 'ends', display: 'device' }, { expires_at: 2_000 });
  page([entry(1), entry(2, {}), ends, entry(4, { by: 'operator' }, { kind: 'delete', target: 1 })]);
  expect(shown).toEqual(['n-3']);
  expect(notices.list.map(({ id }) => id)).toEqual(['n-3']);
  changed.mockClear();
  vi.advanceTimersByTime(1_000);
  expect(notices.list).toEqual([]);
  expect(changed).toHaveBeenCalledOnce();
});

test('of a user one device shows a notice, also where the answer was lost', () => {
  const { shown, hear, of, welcome } = start({}, 0);
  hear(entry(1, { body: 'once', display: 'user' }));
  hear(entry(2, { body: 'once more', display: 'user' }));
  const [first, second] = of('show');
  expect([first?.notice_id, shown]).toEqual(['n-1', []]);
  hear({ type: 'shown', client_id: second?.client_id, notice_id: 'n-2', first: false, timestamp: 1 });
  welcome(2);
  expect(of('show')[2]).toEqual(first);
  expect(
    hear({ type: 'shown', client_id: first?.client_id, notice_id: 'n-1', first: true, timestamp: 1 }),
  ).toBe(true);
  hear({ type: 'shown', client_id: first?.client_id, notice_id: 'n-1', first: true, timestamp: 1 });
  expect(shown).toEqual(['n-1']);
});

test('what the user did on another device is told', () => {
  const marked = vi.fn();
  const { hear } = start({ marked });
  expect(hear({ type: 'notice_mark', notice_id: 'n-1', state: 'dismissed', timestamp: 1 })).toBe(true);
  expect(marked).toHaveBeenCalledWith('n-1', 'dismissed');
});

test('a device goes on from where it was', () => {
  const reached = vi.fn();
  const { of, hear, shown } = start({ place: { seq: 4, id: 'id-4' }, reached }, 4);
  expect(of('sync')).toEqual([]);
  hear(entry(5));
  expect(shown).toEqual(['n-5']);
  expect(reached).toHaveBeenCalledWith(expect.objectContaining({ seq: 5, id: 'id-5' }));
});
