import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { entry, FakeSocket, latest, online, start } from './fake';

/** A page, as far as a client looks at it. */
const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
const browser = new EventTarget();

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
  vi.stubGlobal('document', page);
  for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent'] as const) {
    vi.stubGlobal(name, browser[name].bind(browser));
  }
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test('when the network is back it is tried at once', () => {
  const { states } = start({ random: () => 1 });
  latest().drop();
  expect(states.at(-1)).toBe('offline');
  browser.dispatchEvent(new Event('online'));
  expect(FakeSocket.all).toHaveLength(2);
});

test('when the network is gone, or the page is seen again, a dead connection is noticed soon', () => {
  const { states } = start();
  const socket = online();
  browser.dispatchEvent(new Event('offline'));
  expect(socket.said.at(-1)).toEqual({ type: 'ping' });
  vi.advanceTimersByTime(1_000);
  socket.hear({ type: 'pong' });
  vi.advanceTimersByTime(3_000);
  expect(states.at(-1)).toBe('online');
  page.dispatchEvent(new Event('visibilitychange'));
  vi.advanceTimersByTime(3_100);
  expect(states.at(-1)).not.toBe('online');
});

test('a page that is hidden acknowledges at once what it has', () => {
  start();
  const socket = online();
  socket.hear(entry(1));
  page.visibilityState = 'hidden';
  page.dispatchEvent(new Event('visibilitychange'));
  page.visibilityState = 'visible';
  expect(socket.said.at(-1)).toMatchObject({ type: 'delivered', seq: 1 });
});

test('a client that was told to disconnect listens to nothing', () => {
  const { client } = start();
  client.disconnect();
  browser.dispatchEvent(new Event('online'));
  expect(FakeSocket.all).toHaveLength(1);
});
