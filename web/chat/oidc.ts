// Signing in at the operator's OpenID provider: authorization code with PKCE, as a public client. Loaded only where it
// is configured.

import { claims } from '../sdk/token';
import type { Renewal } from './account';

export interface OidcLogin {
  issuer: string;
  client_id: string;
  scope: string;
  token: 'access' | 'id';
}

interface Discovery {
  issuer: string;
  authorization_endpoint: string;
  token_endpoint: string;
}

interface Tokens {
  access_token?: string;
  id_token?: string;
  refresh_token?: string;
}

/** What has to be remembered until the provider sends the user back; by tab. */
interface Started {
  state: string;
  nonce: string;
  verifier: string;
  issuer: string;
  token_endpoint: string;
  client_id: string;
  token: 'access' | 'id';
  /** Where in the page the user was. */
  place: string;
}

export interface SignedIn {
  token: string;
  renewal?: Renewal;
  place: string;
}

const STARTED = 'tidings.login';

/** Leaves for the provider. */
export async function begin(login: OidcLogin, place: string): Promise<void> {
  if (!crypto.subtle) throw new Error('This way to sign in works only where the page is served with https.');
  const answer = await fetch(`${login.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  if (!answer.ok) throw new Error('The sign-in service does not answer.');
  const found: Discovery = await answer.json();
  if (found.issuer !== login.issuer) throw new Error('The sign-in service calls itself by another name.');
  const started: Started = {
    state: random(),
    nonce: random(),
    verifier: random(),
    issuer: login.issuer,
    token_endpoint: found.token_endpoint,
    client_id: login.client_id,
    token: login.token,
    place,
  };
  sessionStorage.setItem(STARTED, JSON.stringify(started));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(started.verifier));
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: login.client_id,
    redirect_uri: here(),
    scope: login.scope,
    state: started.state,
    nonce: started.nonce,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: 'S256',
  });
  const address = new URL(found.authorization_endpoint);
  for (const [name, value] of query) address.searchParams.set(name, value);
  location.assign(address);
}

/** The provider has sent the user back with these. */
export async function finish(answer: URLSearchParams): Promise<SignedIn> {
  const kept = sessionStorage.getItem(STARTED);
  sessionStorage.removeItem(STARTED);
  const started: Started | undefined = kept ? JSON.parse(kept) : undefined;
  if (!started || answer.get('state') !== started.state) throw new Error('Please sign in again.');
  // RFC 9207: an answer of another provider must not be taken for this one's.
  if ((answer.get('iss') ?? started.issuer) !== started.issuer) throw new Error('Please sign in again.');
  const code = answer.get('code');
  if (!code) throw new Error(answer.get('error_description') ?? 'The sign-in service did not let you in.');
  const tokens = await ask(started.token_endpoint, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: here(),
    client_id: started.client_id,
    code_verifier: started.verifier,
  });
  if (tokens.id_token && nonceOf(tokens.id_token) !== started.nonce) throw new Error('Please sign in again.');
  return { ...taken(tokens, started), place: started.place };
}

/** Another token, by the refresh token that came with the last one. */
export async function refresh(renewal: Renewal): Promise<Omit<SignedIn, 'place'>> {
  const { refresh_token, client_id, token_endpoint } = renewal;
  const tokens = await ask(token_endpoint, { grant_type: 'refresh_token', refresh_token, client_id });
  return taken({ refresh_token, ...tokens }, renewal);
}

type Of = Pick<Started, 'token' | 'client_id' | 'token_endpoint'>;

function taken(tokens: Tokens, { token, client_id, token_endpoint }: Of): Omit<SignedIn, 'place'> {
  const mine = token === 'id' ? tokens.id_token : tokens.access_token;
  if (!mine) throw new Error('The sign-in service gave no token.');
  const { refresh_token } = tokens;
  if (!refresh_token) return { token: mine };
  return { token: mine, renewal: { refresh_token, token, client_id, token_endpoint } };
}

/** The provider has refused, and says so every time. */
export class ProviderRefused extends Error {
  override readonly name = 'ProviderRefused';
}

async function ask(endpoint: string, form: Record<string, string>): Promise<Tokens> {
  const answer = await fetch(endpoint, { method: 'POST', body: new URLSearchParams(form) });
  const tokens = await answer.json().catch(() => ({}));
  if (answer.ok) return tokens;
  const reason = tokens.error_description ?? tokens.error ?? 'The sign-in service did not let you in.';
  if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) throw new ProviderRefused(reason);
  throw new Error(reason);
}

/** Where the provider sends the user back to; its client has to be allowed to. */
function here(): string {
  return `${location.origin}/`;
}

function nonceOf(token: string): unknown {
  return (claims(token) as { nonce?: unknown }).nonce;
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
