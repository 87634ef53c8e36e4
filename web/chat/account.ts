// Who is signed in in this browser: the account that all tabs share, kept over reloads, and the session of this tab.

import { BasicRest } from '../sdk/basic_rest';
import { leaveDeviceId, tabDeviceId } from '../sdk/device';
import { RestError } from '../sdk/errors';
import { claims } from '../sdk/token';
import { hasPushId } from './push_key';
import type { Session } from './session';
import { signal } from './signals';

export const session = signal<Session | undefined>(undefined);
export const signInProblem = signal('');
/** The user has come back from a sign-in page, and the token is being fetched. */
export const arriving = signal(false);

/** What it takes to get another token of an OpenID provider. */
export interface Renewal {
  refresh_token: string;
  token: 'access' | 'id';
  client_id: string;
  token_endpoint: string;
}

export interface Account {
  id: string;
  name: string;
  token: string;
  /** How the token came, and so whether there can be another one. */
  by: 'name' | 'token' | 'redirect' | 'oidc';
  renewal?: Renewal;
}

const ACCOUNT = 'tidings.account';
/** A token that ends sooner is renewed before it is used. */
const ENDS_SOON_MS = 30_000;

/** Where storage is forbidden, an account lives as long as its page. */
let memory: string | null = null;

function read(): Account | undefined {
  try {
    memory = localStorage.getItem(ACCOUNT);
  } catch {
    // The one in memory.
  }
  return memory ? JSON.parse(memory) : undefined;
}

function keep(account: Account | undefined): void {
  memory = account ? JSON.stringify(account) : null;
  try {
    if (memory) localStorage.setItem(ACCOUNT, memory);
    else localStorage.removeItem(ACCOUNT);
  } catch {
    // Storage is full or forbidden.
  }
}

async function open(account: Account): Promise<void> {
  // The same as the page loads then.
  const { Session } = await import('./Chat');
  // Signed out meanwhile, in another tab.
  if (read()?.id !== account.id || session.value) return;
  signInProblem.value = '';
  const tokens = { token: account.token, getToken: () => renewed(account.id) };
  session.value = new Session(account.id, account.name, tabDeviceId(), tokens, ended);
}

/** A token has come: it is asked who it speaks for. */
export async function signedIn(token: string, by: Account['by'], renewal?: Renewal): Promise<void> {
  const { id, name } = await new BasicRest({ token }).me();
  const account = { id, name, token, by, renewal };
  keep(account);
  await open(account);
}

/** Ends the session of every tab of this browser: here at once, whether or not the server answers. */
export function signOut(): void {
  const current = session.value;
  keep(undefined);
  close('');
  // Signing in again is not to meet what is ended now.
  leaveDeviceId();
  if (!current) return;
  const { token, deviceId } = current;
  // Before the token is revoked; where that fails, the browser shows nothing any more nevertheless.
  const untold = hasPushId() ? import('./web_push').then((push) => push.signedOut(token)) : Promise.resolve();
  void untold.catch(() => {}).then(() => revoke(token, deviceId));
}

/** The server takes no token any more that this device has used. */
async function revoke(token: string, deviceId: Promise<string>): Promise<void> {
  // Goes on when the tab is closed.
  const rest = new BasicRest({ token, fetch: (url, how) => fetch(url, { ...how, keepalive: true }) });
  try {
    await rest.endDevice(await deviceId);
  } catch {
    // The server is away, or has ended it already.
  }
}

/** The server takes the token no more, and there is no other one. */
function ended(reason: string): void {
  // Another tab may have signed in as somebody else meanwhile.
  if (read()?.id === session.value?.userId) keep(undefined);
  close(reason);
}

function close(reason: string): void {
  session.value?.end();
  session.value = undefined;
  signInProblem.value = reason;
}

/**
 * A token that is good, of the account that is kept; another tab may have renewed it already. Nothing: there is none
 * any more. Throws when that is not known now: a server that is away for a moment signs nobody out.
 */
async function renewed(id: string): Promise<string | undefined> {
  const turn = async () => {
    const account = read();
    if (account?.id !== id) return undefined;
    if (account.token !== session.value?.token && !endsSoon(account.token)) return account.token;
    try {
      const next = await another(account);
      // Signed out meanwhile: the new token is forgotten.
      if (next && read()?.id === id) keep({ ...account, ...next });
      return next?.token;
    } catch (error) {
      if (!isForGood(error)) throw error;
      return undefined;
    }
  };
  // One tab at a time: a refresh token may be good for one use only.
  return navigator.locks ? navigator.locks.request('tidings.renew', turn) : turn();
}

async function another(account: Account): Promise<{ token: string; renewal?: Renewal } | undefined> {
  if (account.by === 'name') {
    const { token } = await new BasicRest().devToken(account.id, account.name);
    return { token };
  }
  return account.renewal && (await import('./oidc')).refresh(account.renewal);
}

function isForGood(error: unknown): boolean {
  if (error instanceof RestError) return error.status >= 400 && error.status < 500 && error.status !== 429;
  return error instanceof Error && error.name === 'ProviderRefused';
}

/** True for a token that says so itself; one that cannot be read is for the server to judge. */
function endsSoon(token: string): boolean {
  const { exp } = claims(token);
  return exp !== undefined && exp * 1_000 < Date.now() + ENDS_SOON_MS;
}

/** What another tab does to the account happens here, too. */
addEventListener('storage', (event) => {
  if (event.key !== ACCOUNT && event.key !== null) return;
  const account = read();
  const current = session.value;
  if (current && account?.id === current.userId) current.useToken(account.token);
  else {
    if (current) close('');
    if (account) void open(account);
  }
});

/** Comes back from a sign-in page, or goes on with the account that is kept. */
async function start(): Promise<void> {
  const query = new URLSearchParams(location.search);
  const fragment = new URLSearchParams(location.hash.slice(1));
  const isCode = query.has('state') && (query.has('code') || query.has('error'));
  const isToken = fragment.has('token') && fragment.has('state');
  if (!isCode && !isToken) {
    const account = read();
    if (!account) return;
    arriving.value = true;
    await open(account).catch(() => {
      signInProblem.value = 'The server does not answer. Load this page again.';
    });
    arriving.value = false;
    return;
  }
  arriving.value = true;
  // Neither code nor token stays in the address or in the history.
  history.replaceState(null, '', '/');
  try {
    const { finish } = await import('./signing');
    await finish(isCode ? query : undefined, fragment);
  } catch (error) {
    signInProblem.value = error instanceof Error ? error.message : 'That did not work.';
  }
  arriving.value = false;
}

void start();
