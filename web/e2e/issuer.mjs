// A small OpenID provider for the tests: authorization code with PKCE for public clients, refresh tokens that are good
// for one use, and nobody who has to type a password.

import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const KID = 'test';
const base64url = (value) => Buffer.from(value).toString('base64url');

export class Issuer {
  /** The user who comes to sign in. */
  user = { sub: 'ann', name: 'Ann' };
  /** How long its tokens are good, in seconds. */
  lifetime = 3600;
  /** The queries of `/authorize` and the forms of `/token`. */
  authorizations = [];
  forms = [];
  #codes = new Map();
  #refreshes = new Map();
  #folder = mkdtempSync(join(tmpdir(), 'tidings-issuer-'));
  #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  #server = createServer((request, response) => void this.#answer(request, response));

  async begin() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    this.jwksFile = join(this.#folder, 'jwks.json');
    const jwk = { ...this.#keys.publicKey.export({ format: 'jwk' }), kid: KID, alg: 'ES256', use: 'sig' };
    writeFileSync(this.jwksFile, JSON.stringify({ keys: [jwk] }));
  }

  end() {
    this.#server.closeAllConnections();
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  token(claims = {}) {
    const now = Math.floor(Date.now() / 1_000);
    const body = {
      ...this.user,
      iss: this.url,
      aud: 'tidings',
      iat: now,
      exp: now + this.lifetime,
      jti: randomUUID(),
    };
    const head = base64url(JSON.stringify({ alg: 'ES256', kid: KID, typ: 'JWT' }));
    const signed = `${head}.${base64url(JSON.stringify({ ...body, ...claims }))}`;
    const key = { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' };
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.url);
    const reply = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json', 'access-control-allow-origin': '*' });
      response.end(JSON.stringify(body));
    };
    if (url.pathname === '/.well-known/openid-configuration') {
      return reply(200, {
        issuer: this.url,
        authorization_endpoint: `${this.url}/authorize`,
        token_endpoint: `${this.url}/token`,
      });
    }
    if (url.pathname === '/authorize') return this.#authorize(url.searchParams, response);
    // A page of the operator's own.
    if (url.pathname === '/page') {
      const back = `${url.searchParams.get('return_to')}#token=${this.token()}&state=${url.searchParams.get('state')}`;
      return response.writeHead(302, { location: back }).end();
    }
    if (url.pathname !== '/token' || request.method !== 'POST') return reply(404, {});
    let text = '';
    for await (const piece of request) text += piece;
    const form = Object.fromEntries(new URLSearchParams(text));
    this.forms.push(form);
    const tokens = form.grant_type === 'refresh_token' ? this.#refresh(form) : this.#exchange(form);
    return tokens ? reply(200, tokens) : reply(400, { error: 'invalid_grant' });
  }

  #authorize(query, response) {
    this.authorizations.push(Object.fromEntries(query));
    const code = randomUUID();
    this.#codes.set(code, query);
    const back = new URL(query.get('redirect_uri'));
    back.searchParams.set('code', code);
    back.searchParams.set('state', query.get('state'));
    back.searchParams.set('iss', this.url);
    response.writeHead(302, { location: back.href }).end();
  }

  #exchange({ code, code_verifier = '', client_id, redirect_uri }) {
    const query = this.#codes.get(code);
    this.#codes.delete(code);
    const challenge = createHash('sha256').update(code_verifier).digest('base64url');
    const isGood =
      query?.get('code_challenge') === challenge &&
      query.get('code_challenge_method') === 'S256' &&
      query.get('client_id') === client_id &&
      query.get('redirect_uri') === redirect_uri;
    return isGood ? this.#tokens(client_id, query.get('nonce')) : undefined;
  }

  #refresh({ refresh_token, client_id }) {
    if (this.#refreshes.get(refresh_token) !== client_id) return undefined;
    this.#refreshes.delete(refresh_token);
    return this.#tokens(client_id);
  }

  #tokens(clientId, nonce) {
    const refresh_token = randomUUID();
    this.#refreshes.set(refresh_token, clientId);
    return {
      access_token: this.token(),
      id_token: this.token({ aud: clientId, nonce }),
      refresh_token,
      token_type: 'Bearer',
    };
  }
}
