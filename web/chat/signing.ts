// The ways to sign in: by name, by token, at an OpenID provider, or at a page of the operator. A user who is signed in
// already loads none of it.

import { BasicRest } from '../sdk/basic_rest';
import { signedIn } from './account';
import { userIdOf } from './names';
import type { OidcLogin } from './oidc';

const RETURN = 'tidings.return';

export async function signInByName(name: string): Promise<void> {
  const { token } = await new BasicRest().devToken(userIdOf(name), name.trim().replaceAll(/\s+/g, ' '));
  await signedIn(token, 'name');
}

export function signInByToken(token: string): Promise<void> {
  return signedIn(token, 'token');
}

export async function signInByOidc(login: OidcLogin): Promise<void> {
  const oidc = await import('./oidc');
  await oidc.begin(login, location.hash);
}

/** Leaves for the operator's own page, which comes back to `return_to` with `#token=…&state=…`. */
export function signInByRedirect(address: string): void {
  const state = crypto.getRandomValues(new Uint32Array(4)).join('-');
  sessionStorage.setItem(RETURN, JSON.stringify({ state, place: location.hash }));
  const there = new URL(address);
  there.searchParams.set('return_to', `${location.origin}/`);
  there.searchParams.set('state', state);
  location.assign(there);
}

/** Comes back from a sign-in page: from an OpenID provider with a query, from the operator's own with a fragment. */
export async function finish(query: URLSearchParams | undefined, fragment: URLSearchParams): Promise<void> {
  if (query) {
    const { token, renewal, place } = await (await import('./oidc')).finish(query);
    history.replaceState(null, '', `/${place}`);
    await signedIn(token, 'oidc', renewal);
    return;
  }
  const started = JSON.parse(sessionStorage.getItem(RETURN) ?? '{}');
  sessionStorage.removeItem(RETURN);
  // Nobody is signed in with a token that came with a link.
  if (!started.state || started.state !== fragment.get('state')) throw new Error('Please sign in again.');
  history.replaceState(null, '', `/${started.place}`);
  await signedIn(fragment.get('token') ?? '', 'redirect');
}
