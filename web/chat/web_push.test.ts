import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { type Browser, bytesOf, deviceIdOf, refresh, stateOf, turnOff, turnOn } from './web_push';

const KEY = 'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8';

/** A browser, and a server that it tells. */
function setUp({ permission = 'default', answer = 'granted', key = KEY } = {}) {
  const log: string[] = [];
  const stored = new Map<string, string>();
  let subscribed: { key: Uint8Array } | null = null;
  const subscription = () =>
    subscribed && {
      options: { applicationServerKey: subscribed.key.slice().buffer },
      toJSON: () => ({ endpoint: 'https://push.example/1' }),
      unsubscribe: async () => {
        log.push('unsubscribe');
        subscribed = null;
        return true;
      },
    };
  const pushManager = {
    getSubscription: async () => subscription(),
    subscribe: async (options: { applicationServerKey: Uint8Array }) => {
      log.push('subscribe');
      subscribed = { key: options.applicationServerKey };
      return subscription();
    },
  };
  const browser = {
    worker: {
      register: async (url: string) => {
        log.push(`register ${url}`);
        return { pushManager };
      },
      getRegistration: async () => ({ pushManager }),
    },
    permission: () => permission,
    ask: async () => {
      permission = answer;
      return answer;
    },
    storage: {
      getItem: (name: string) => stored.get(name) ?? null,
      setItem: (name: string, value: string) => void stored.set(name, value),
    },
    language: 'de-CH',
    newId: () => '1',
  } as unknown as Browser;
  const rest = {
    pushDevices: async () => ({ devices: [], providers: [], web_push_key: key, content: 'none' as const }),
    keepPushDevice: async (id: string, device: { provider: string; locale?: string }) => {
      log.push(`keep ${id} ${device.provider} ${device.locale}`);
    },
    dropPushDevice: async (id: string) => {
      log.push(`drop ${id}`);
      throw Object.assign(new Error('no such device'), { status: 404 });
    },
  } as unknown as Parameters<typeof turnOn>[0];
  const withKey = (other: string) => {
    subscribed = { key: bytesOf(other) };
  };
  return { browser, rest, log, withKey };
}

test('a browser subscribes when the user allows it, and the server is told', async () => {
  const { browser, rest, log } = setUp();
  expect(await stateOf(browser)).toBe('off');
  expect(await turnOn(rest, browser)).toBe('on');
  expect(log).toEqual(['register push-worker.js', 'subscribe', 'keep web-1 web_push de-CH']);
  expect(await stateOf(browser)).toBe('on');
  expect(deviceIdOf(browser)).toBe('web-1');
});

test('nobody is asked where the server pushes nothing, and a refusal changes nothing', async () => {
  const silent = setUp({ key: '' });
  expect(await turnOn(silent.rest, silent.browser)).toBe('unsupported');
  const refusing = setUp({ answer: 'denied' });
  expect(await turnOn(refusing.rest, refusing.browser)).toBe('blocked');
  expect([...silent.log, ...refusing.log]).toEqual([]);
});

test('each start tells the server again, with a new subscription where its key is another one', async () => {
  const { browser, rest, log, withKey } = setUp({ permission: 'granted' });
  await refresh(rest, browser);
  expect(log).toEqual([]);
  withKey(KEY);
  await refresh(rest, browser);
  expect(log.splice(0)).toEqual(['keep web-1 web_push de-CH']);
  withKey('AAAA');
  await refresh(rest, browser);
  expect(log).toEqual(['unsubscribe', 'subscribe', 'keep web-1 web_push de-CH']);
});

test('turning off ends the subscription, also where the server knows nothing of it', async () => {
  const { browser, rest, log, withKey } = setUp({ permission: 'granted' });
  withKey(KEY);
  expect(await turnOff(rest, browser)).toBe('off');
  expect(log).toEqual(['unsubscribe', 'drop web-1']);
});

interface Shown {
  title: string;
  tag: string;
  body: string;
  data: { seq: number };
}

/** The worker as a browser runs it. */
function worker() {
  const shown: Shown[] = [];
  const listeners: Record<string, (event: unknown) => void> = {};
  const opened: string[] = [];
  const badges: number[] = [];
  const self = {
    addEventListener: (kind: string, listener: (event: unknown) => void) => {
      listeners[kind] = listener;
    },
    registration: {
      scope: 'https://chat.example/',
      getNotifications: async ({ tag }: { tag: string }) =>
        shown
          .filter((one) => one.tag === tag)
          .map((one) => ({ ...one, close: () => shown.splice(shown.indexOf(one), 1) })),
      showNotification: async (title: string, options: Omit<Shown, 'title'>) => {
        const at = shown.findIndex((one) => one.tag === options.tag);
        if (at >= 0) shown.splice(at, 1);
        shown.push({ title, ...options });
      },
    },
    clients: { matchAll: async () => [], openWindow: async (url: string) => void opened.push(url) },
    navigator: {
      setAppBadge: async (count: number) => void badges.push(count),
      clearAppBadge: async () => void badges.push(0),
    },
  };
  runInNewContext(readFileSync(new URL('./public/push-worker.js', import.meta.url), 'utf8'), { self, URL });
  const fire = async (kind: string, event: object) => {
    let done: Promise<unknown> = Promise.resolve();
    const waitUntil = (promise: Promise<unknown>) => {
      done = promise;
    };
    listeners[kind]?.({ ...event, waitUntil });
    await done;
  };
  const push = (note: unknown) => fire('push', { data: { json: () => note } });
  return { shown, opened, badges, push, fire };
}

test('one notification is shown for each conversation, and taken back when it was read elsewhere', async () => {
  const { shown, badges, push } = worker();
  const note = { type: 'message', conversation_id: 'c-1', seq: 5, count: 1, badge: 1 };
  await push(note);
  await push({ ...note, seq: 7, count: 2, title: 'Ann', text: 'hi', badge: 2 });
  expect(shown.map(({ title, body }) => [title, body])).toEqual([['Ann', 'hi']]);
  await push({ ...note, seq: 6 });
  expect(shown[0]?.data.seq).toBe(7);
  await push({ type: 'clear', conversation_id: 'c-1', seq: 6, badge: 1 });
  expect(shown).toHaveLength(1);
  await push({ type: 'clear', conversation_id: 'c-1', seq: 7, badge: 0 });
  expect(shown).toHaveLength(0);
  expect(badges).toEqual([1, 2, 1, 1, 0]);
});

test('what a worker does not know shows nothing, and a click leads to the conversation', async () => {
  const { shown, opened, push, fire } = worker();
  for (const odd of [undefined, 7, {}, { type: 'later', conversation_id: 'c-1', seq: 1 }]) await push(odd);
  expect(shown).toHaveLength(0);
  const close = () => {};
  await fire('notificationclick', { notification: { data: { conversation_id: 'c-1' }, close } });
  expect(opened).toEqual(['https://chat.example/#/c/c-1']);
});
