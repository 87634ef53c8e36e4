// Who is signed in in this tab: the token, the device, and the session made of them.

import { signal } from '@preact/signals';
import { Rest } from '../sdk/rest';
import { Session } from './session';

export const session = signal<Session | undefined>(undefined);
export const signInProblem = signal('');

const TOKEN = 'tidings.token';
const DEVICE = 'tidings.device';

/** One for each tab: the newest connection of a device replaces the older one. */
function deviceId(): string {
  const known = sessionStorage.getItem(DEVICE);
  if (known) return known;
  const fresh = `web-${crypto.randomUUID().slice(0, 13)}`;
  sessionStorage.setItem(DEVICE, fresh);
  return fresh;
}

export async function signIn(token: string): Promise<void> {
  const me = await new Rest({ token }).me();
  sessionStorage.setItem(TOKEN, token);
  signInProblem.value = '';
  session.value = new Session(me.id, me.name, token, deviceId(), signOut);
}

export function signOut(reason: string): void {
  session.value?.end();
  sessionStorage.removeItem(TOKEN);
  sessionStorage.removeItem(DEVICE);
  signInProblem.value = reason;
  session.value = undefined;
}

const kept = sessionStorage.getItem(TOKEN);
if (kept) void signIn(kept).catch(() => signOut(''));
