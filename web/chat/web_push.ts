// Notifications while no page is open: the browser subscribes with its push service, and the server is told of it. The
// device that is told is the browser, not a tab of it, so it has an id of its own.

import { Rest } from '../sdk/rest';
import { PUSH_KEY } from './push_key';

/** What the page shows of it. */
export type PushState = 'unsupported' | 'blocked' | 'off' | 'on';

type PushRest = Pick<Rest, 'pushDevices' | 'keepPushDevice' | 'dropPushDevice'>;

/** Where a test has something else. */
export interface Browser {
  worker: Pick<ServiceWorkerContainer, 'register' | 'getRegistration'> | undefined;
  permission: () => NotificationPermission;
  ask: () => Promise<NotificationPermission>;
  storage: Pick<Storage, 'getItem' | 'setItem'>;
  language: string;
  newId: () => string;
}

const WORKER = 'push-worker.js';

export function thisBrowser(): Browser {
  const hasPush = 'PushManager' in globalThis && 'Notification' in globalThis;
  return {
    worker: hasPush ? navigator.serviceWorker : undefined,
    permission: () => Notification.permission,
    ask: () => Notification.requestPermission(),
    storage: localStorage,
    language: navigator.language,
    newId: () => crypto.randomUUID(),
  };
}

/** The id of this browser among the devices that are told. */
export function deviceIdOf({ storage, newId }: Pick<Browser, 'storage' | 'newId'>): string {
  const known = storage.getItem(PUSH_KEY);
  if (known) return known;
  const id = `web-${newId()}`;
  storage.setItem(PUSH_KEY, id);
  return id;
}

/** How it stands, and whether the server pushes at all. */
export async function stateOf(browser: Browser): Promise<PushState> {
  if (!browser.worker) return 'unsupported';
  if (browser.permission() === 'denied') return 'blocked';
  const registration = await browser.worker.getRegistration();
  const subscription = await registration?.pushManager.getSubscription();
  return subscription && browser.permission() === 'granted' ? 'on' : 'off';
}

/** Asks the user and subscribes. Call it in answer to a click: browsers demand that. */
export async function turnOn(rest: PushRest, browser: Browser): Promise<PushState> {
  if (!browser.worker) return 'unsupported';
  const { web_push_key: key } = await rest.pushDevices();
  if (!key) return 'unsupported';
  if ((await browser.ask()) !== 'granted') return stateOf(browser);
  const registration = await browser.worker.register(WORKER);
  await tell(rest, browser, registration.pushManager, key);
  return 'on';
}

/** Tells the server again, as it wants at each start: subscriptions change, and keys too. */
export async function refresh(rest: PushRest, browser: Browser): Promise<void> {
  if ((await stateOf(browser)) !== 'on') return;
  const registration = await browser.worker?.getRegistration();
  const { web_push_key: key } = await rest.pushDevices();
  if (registration && key) await tell(rest, browser, registration.pushManager, key);
}

/** This browser is told nothing any more. */
export async function turnOff(rest: PushRest, browser: Browser): Promise<PushState> {
  const registration = await browser.worker?.getRegistration();
  const subscription = await registration?.pushManager.getSubscription();
  // First here: whatever the server still sends shows nothing.
  await subscription?.unsubscribe();
  try {
    await rest.dropPushDevice(deviceIdOf(browser));
  } catch (error) {
    // The server knows nothing of it.
    if ((error as { status?: number }).status !== 404) throw error;
  }
  return stateOf(browser);
}

/** The user has signed out: what is for them is not shown to the next user. */
export async function signedOut(token: string): Promise<void> {
  // Goes on when the tab is closed.
  const rest = new Rest({ token, fetch: (url, how) => fetch(url, { ...how, keepalive: true }) });
  await turnOff(rest, thisBrowser());
}

async function tell(rest: PushRest, browser: Browser, manager: PushManager, key: string): Promise<void> {
  const wanted = bytesOf(key);
  let subscription = await manager.getSubscription();
  // One that was made with another key of the server is of no use to it.
  if (subscription && !isSame(subscription.options.applicationServerKey, wanted)) {
    await subscription.unsubscribe();
    subscription = null;
  }
  subscription ??= await manager.subscribe({ userVisibleOnly: true, applicationServerKey: wanted });
  await rest.keepPushDevice(deviceIdOf(browser), {
    provider: 'web_push',
    subscription: subscription.toJSON(),
    locale: browser.language,
  });
}

function isSame(one: ArrayBuffer | null, other: Uint8Array): boolean {
  if (!one) return false;
  const bytes = new Uint8Array(one);
  return bytes.length === other.length && bytes.every((byte, at) => byte === other[at]);
}

/** Base64 for URLs, as the server gives its key. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}
