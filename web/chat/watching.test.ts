import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { entry } from '../sdk/fake';
import { Watching } from './watching';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** What is watched for ann, whom the server tells so many threads and mentions. */
function begin(counts: { threads: number; mentions: number }, state = 'online') {
  const listeners = new Map<string, (...what: unknown[]) => void>();
  const client = {
    state,
    on: (name: string, listener: (...what: unknown[]) => void) => {
      listeners.set(name, listener);
      return () => listeners.delete(name);
    },
  };
  const list = (count: number) => Array.from({ length: count }, () => ({}));
  const threads = vi.fn(async () => ({ threads: list(counts.threads) }));
  const mentions = vi.fn(async () => ({ mentions: list(counts.mentions) }));
  const watching = new Watching({
    userId: 'ann',
    api: async () => ({ threads, mentions }) as never,
    plan: (act) => act(client as never),
  });
  const tell = (name: string, ...what: unknown[]) => listeners.get(name)?.(...what);
  return { watching, threads, counts, tell, listeners };
}
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test('it is asked once where there is a connection, and else when there is one', async () => {
  const { watching, threads } = begin({ threads: 2, mentions: 1 });
  await pass(0);
  expect([watching.threads.value, watching.mentions.value]).toEqual([2, 1]);
  await pass(60_000);
  expect(threads).toHaveBeenCalledTimes(1);
  const later = begin({ threads: 1, mentions: 0 }, 'connecting');
  await pass(5_000);
  expect(later.threads).not.toHaveBeenCalled();
  later.tell('state', 'online');
  await pass(5_000);
  expect(later.threads).toHaveBeenCalledTimes(1);
});

test('many replies and mentions are one question, and other messages are none', async () => {
  const { threads, tell, counts, watching } = begin({ threads: 0, mentions: 0 });
  await pass(0);
  tell('entry', entry(1), 'live');
  tell('entry', { ...entry(2), mentions: ['bob'] }, 'live');
  tell('entry', { ...entry(3), mentions: ['ann'] }, 'history');
  await pass(5_000);
  expect(threads).toHaveBeenCalledTimes(1);
  counts.mentions = 3;
  for (let seq = 4; seq < 50; seq++) tell('entry', { ...entry(seq), thread: 1 }, 'live');
  tell('entry', { ...entry(50), mentions: ['ann'] }, 'live');
  tell('entry', { ...entry(51), mention_all: true }, 'sync');
  await pass(5_000);
  expect(threads).toHaveBeenCalledTimes(2);
  expect(watching.mentions.value).toBe(3);
});

test('what was read elsewhere is asked for, and after the end nothing is', async () => {
  const { threads, tell, watching, listeners } = begin({ threads: 1, mentions: 0 });
  await pass(0);
  tell('frame', { type: 'receipt', user_id: 'ann' });
  await pass(5_000);
  expect(threads).toHaveBeenCalledTimes(1);
  tell('frame', { type: 'thread_read' });
  await pass(5_000);
  expect(threads).toHaveBeenCalledTimes(2);
  tell('frame', { type: 'thread_read' });
  watching.end();
  await pass(5_000);
  expect(threads).toHaveBeenCalledTimes(2);
  expect(listeners.size).toBe(0);
});
