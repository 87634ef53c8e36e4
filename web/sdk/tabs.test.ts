import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { tabDeviceId } from './device';
import { error, FakeSocket, latest, online, sent, start, text } from './fake';
import { indexedDbStorage } from './indexeddb';
import { memoryStorage, webStorage } from './storage';
import type { Options } from './types';
// Loaded before time stands still.
import './without_locks';

const words = (socket: FakeSocket) => socket.sends().map((frame) => (frame.content as { text: string }).text);

/** Locks as browsers have them, of one origin. */
function locks() {
  const holders = new Map<string, { end: () => void }>();
  const waiting = new Map<string, (() => void)[]>();
  const request = async (
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal } | (() => Promise<unknown>),
    then?: (lock: object | null) => Promise<unknown>,
  ) => {
    const { ifAvailable, signal } = typeof options === 'function' ? {} : options;
    const run = (typeof options === 'function' ? options : then) as (lock: object | null) => Promise<unknown>;
    if (holders.has(name)) {
      if (ifAvailable) return run(null);
      await new Promise<void>((resolve, reject) => {
        const queue = waiting.get(name) ?? [];
        waiting.set(name, queue);
        queue.push(resolve);
        signal?.addEventListener('abort', () => {
          queue.splice(queue.indexOf(resolve) >>> 0, 1);
          reject(signal.reason);
        });
      });
    }
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    holders.set(name, { end });
    await Promise.race([run({}), ended]);
    holders.delete(name);
    waiting.get(name)?.shift()?.();
  };
  /** The tab that holds these is gone without a word. */
  const kill = (part: string) => {
    for (const [name, { end }] of holders) if (name.includes(part)) end();
  };
  return { manager: { request } as unknown as LockManager, kill, holders };
}

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function offlineTab(options: Partial<Options>, ...texts: string[]) {
  const tab = start(options);
  const handles = texts.map((words) => tab.client.send(text(words)));
  await vi.advanceTimersByTimeAsync(0);
  return { ...tab, handles };
}

async function answerAll(socket: FakeSocket) {
  for (let seq = 1; seq <= 20; seq++) {
    await vi.advanceTimersByTimeAsync(200);
    const next = socket.sends()[seq - 1];
    if (next) socket.hear(sent(next.client_id, seq));
  }
}

test.each(['locks', 'no locks'])('what two tabs have written is sent by a third, with %s', async (kind) => {
  const storage = memoryStorage();
  const options = { storage, locks: kind === 'locks' ? locks().manager : null };
  const one = await offlineTab(options);
  const two = await offlineTab(options, 'y');
  one.client.send(text('x'));
  one.client.disconnect();
  two.client.disconnect();
  start(options);
  const socket = online();
  await answerAll(socket);
  expect(words(socket).sort()).toEqual(['x', 'y']);
  expect(await storage.keys('tidings/ann/operation')).toEqual([]);
});

test('what a reloaded tab has written is sent at once, in its order and with the same ids', async () => {
  const storage = memoryStorage();
  const { client, handles } = await offlineTab({ storage }, '1', '2', '3');
  client.disconnect();
  start({ storage });
  const socket = online();
  await answerAll(socket);
  expect(words(socket)).toEqual(['1', '2', '3']);
  expect(socket.sends().map((frame) => frame.client_id)).toEqual(handles.map((handle) => handle.clientId));
});

test('a restarted program that sends again what it had left sends it once', async () => {
  const storage = memoryStorage();
  const first = start({ storage });
  const message = { ...text('answer'), client_id: '0198c0de-0000-7000-8000-00000000000a' };
  first.client.send(message);
  first.client.disconnect();
  const { client } = start({ storage });
  await vi.advanceTimersByTimeAsync(500);
  const { stored } = client.send(message);
  const socket = online();
  socket.hear(sent(message.client_id, 1));
  await expect(stored).resolves.toMatchObject({ seq: 1 });
  expect(words(socket)).toEqual(['answer']);
  expect(client.pending()).toEqual([]);
});

test('there is one record for each operation, and none when it is answered', async () => {
  const storage = memoryStorage();
  const { client } = start({ storage });
  const socket = online();
  const { clientId } = client.send(text('1'));
  client.send(text('2'));
  expect(await storage.keys('tidings/ann/operation/')).toHaveLength(2);
  socket.hear(sent(clientId, 1));
  expect(await storage.keys('tidings/ann/operation/')).toHaveLength(1);
});

test('a living tab keeps its own, a dead one leaves them to exactly one other, with locks', async () => {
  const storage = memoryStorage();
  const { manager, kill, holders } = locks();
  await offlineTab({ storage, locks: manager }, '1', '2');
  const [dead = ''] = holders.keys();
  const others = [start({ storage, locks: manager }), start({ storage, locks: manager })];
  const sockets = FakeSocket.all.slice(-2);
  for (const socket of sockets) {
    socket.onopen?.();
    socket.hear({ type: 'welcome', connection_id: 'x', user_id: 'ann', heartbeat_ms: 30_000 });
  }
  await vi.advanceTimersByTimeAsync(6_000);
  expect(sockets.flatMap(words)).toEqual([]);
  kill(dead);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(sockets.flatMap(words)).toEqual(['1']);
  expect(others.map((one) => one.client.pending().length).sort()).toEqual([0, 2]);
});

test('a dead tab leaves its operations without locks, too, and its refused ones', async () => {
  const storage = memoryStorage();
  const dead = await offlineTab({ storage }, '1', '2');
  online().hear(error(dead.handles[0]?.clientId, 'invalid'));
  // Its timers stand still.
  const kept = new Map((await storage.keys('')).map((key) => [key, storage.getItem(key) as string]));
  dead.client.disconnect();
  const copy = memoryStorage(kept);
  const { client } = start({ storage: copy });
  const socket = online();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(words(socket)).toEqual([]);
  const live = setInterval(() => socket.hear({ type: 'pong' }), 1_000);
  await vi.advanceTimersByTimeAsync(20_000);
  clearInterval(live);
  expect(words(socket)).toEqual(['2']);
  expect(client.refused().map(({ operation }) => operation.content.text)).toEqual(['1']);
});

test.each(['stood still', 'was put away'])(
  'a tab that %s stores what it writes next behind the rest',
  async (how) => {
    const storage = memoryStorage();
    const slept = await offlineTab({ storage }, '1', '2');
    const first = latest();
    // Nobody's timers run meanwhile.
    if (how === 'stood still') vi.setSystemTime(Date.now() + 25_000);
    else slept.client.disconnect();
    start({ storage });
    const other = online();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(words(other)).toEqual(['1']);
    slept.client.send(text('3'));
    if (how === 'was put away') void slept.client.connect();
    const socket = how === 'stood still' ? first : latest();
    socket.onopen?.();
    socket.hear({ type: 'welcome', connection_id: 'x', user_id: 'ann', heartbeat_ms: 30_000 });
    // What another still has to send is sent before.
    await answerAll(socket);
    expect(words(socket)).toEqual(['1', '2', '3']);
    expect(words(other)).toEqual(['1']);
    expect(slept.client.pending()).toEqual([]);
  },
);

test('a tab that seemed dead and dies leaves everything to one other', async () => {
  const storage = memoryStorage();
  const slept = await offlineTab({ storage }, '1', '2');
  vi.setSystemTime(Date.now() + 25_000);
  start({ storage });
  const other = online();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(words(other)).toEqual(['1']);
  // It is awake again, and the other one sends nothing more.
  await vi.advanceTimersByTimeAsync(4_000);
  slept.client.send(text('3'));
  slept.client.disconnect();
  start({ storage });
  const socket = online();
  await answerAll(socket);
  expect(words(socket)).toEqual(['1', '2', '3']);
});

test('a record that nobody can read harms no other', async () => {
  const storage = memoryStorage(new Map([['tidings/ann/operation/x', '{oops']]));
  start({ storage });
  const socket = online();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(words(socket)).toEqual([]);
  expect(await storage.keys('tidings/ann/operation/')).toEqual([]);
});

test('web storage is taken as it is', () => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
    key: (at: number) => [...kept.keys()][at] ?? null,
    get length() {
      return kept.size;
    },
    clear: () => kept.clear(),
  };
  const { client } = start({ storage });
  client.send(text('x'));
  expect(webStorage(storage).keys('tidings/ann/operation/')).toHaveLength(1);
});

test('a duplicated tab gets a device id of its own, a reloaded one keeps it', async () => {
  const { manager, kill } = locks();
  const session = new Map<string, string>();
  const place = (kept: Map<string, string>) => ({
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  });
  vi.useRealTimers();
  const first = await tabDeviceId({ storage: place(session), locks: manager });
  const copied = new Map(session);
  const second = await tabDeviceId({ storage: place(copied), locks: manager });
  expect(second).not.toBe(first);
  kill(first);
  expect(await tabDeviceId({ storage: place(session), locks: manager })).toBe(first);
});

test('a new device id is used only once it is held', async () => {
  vi.useRealTimers();
  const held = new Set<string>();
  let isBusy = true;
  const manager = {
    request: async (name: string, { signal }: { signal: AbortSignal }, hold: () => unknown) => {
      // A browser at its limits answers too late.
      if (isBusy) {
        isBusy = false;
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      }
      held.add(name);
      return hold();
    },
  } as unknown as LockManager;
  const session = new Map<string, string>();
  const storage = {
    getItem: (key: string) => session.get(key) ?? null,
    setItem: (key: string, value: string) => void session.set(key, value),
  };
  const id = await tabDeviceId({ storage, locks: manager });
  expect([...held]).toEqual([`tidings.device/${id}`]);
  expect([...session.values()]).toEqual([id]);
});

test('where locks are forbidden a tab has a device id all the same', async () => {
  const manager = {
    request: () => Promise.reject(new DOMException('in a sandbox', 'SecurityError')),
  } as unknown as LockManager;
  expect(
    await tabDeviceId({ storage: { getItem: () => null, setItem: () => {} }, locks: manager }),
  ).toBeTruthy();
});

test('tabs without locks ask each other for their device ids', async () => {
  vi.useRealTimers();
  const session = new Map<string, string>();
  const place = (kept: Map<string, string>) => ({
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  });
  const channels: BroadcastChannel[] = [];
  const channel = (name: string) => {
    const made = new BroadcastChannel(name);
    channels.push(made);
    return made;
  };
  const first = await tabDeviceId({ storage: place(session), locks: null, channel });
  const second = await tabDeviceId({ storage: place(new Map(session)), locks: null, channel });
  for (const one of channels) one.close();
  expect(second).not.toBe(first);
  expect(await tabDeviceId({ storage: place(session), locks: null, channel })).toBe(first);
  for (const one of channels) one.close();
});

test('a store in IndexedDB that does not open fails each question', async () => {
  const factory = {
    open() {
      const request = { error: new Error('denied'), onerror: () => {} };
      queueMicrotask(() => request.onerror());
      return request;
    },
  } as unknown as IDBFactory;
  await expect(indexedDbStorage('x', factory).getItem('k')).rejects.toThrow('denied');
});
