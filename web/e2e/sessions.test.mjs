// Who is signed in, for how long, and by which ways.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Issuer } from './issuer.mjs';
import { begin, hasTexts, Stage, until, write } from './stage.mjs';

const stage = new Stage();
const issuer = new Issuer();
let company;

before(async () => {
  await issuer.begin();
  company = new Stage({
    TIDINGS__AUTH__JWKS_FILE: issuer.jwksFile,
    TIDINGS__AUTH__ISSUER: issuer.url,
    TIDINGS__AUTH__AUDIENCE: 'tidings',
    TIDINGS__LOGIN__OIDC_ISSUER: issuer.url,
    TIDINGS__LOGIN__OIDC_CLIENT_ID: 'page',
    TIDINGS__LOGIN__REDIRECT_URL: `${issuer.url}/page`,
  });
  await Promise.all([stage.begin(), company.begin()]);
});
after(async () => {
  await Promise.all([stage.end(), company?.end()]);
  issuer.end();
});

const isOnline = async (page) => {
  await page.getByTestId('me').waitFor();
  await page.getByTestId('banner').waitFor({ state: 'detached' });
};
/** Another tab of the same browser. */
async function tab(page, address = stage.address) {
  const other = await page.context().newPage();
  other.setDefaultTimeout(15_000);
  await other.goto(`http://${address}/`);
  return other;
}
const kept = (page) => page.evaluate(() => JSON.parse(localStorage.getItem('tidings.account')));
const devicesOf = async (page) => {
  const { token } = await kept(page);
  const answer = await page.request.get(`http://${stage.address}/api/v1/sessions`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return (await answer.json()).sessions.map((session) => session.device_id);
};

test('a session is kept over reloads and closed tabs, and all tabs share it', async () => {
  const first = await stage.open('ann');
  const bob = await stage.open('bob');
  await begin(first, ['bob']);
  const second = await tab(first);
  await isOnline(second);
  await second.getByTestId('conversation').click();
  await write(first, 'from the first');
  await until('both tabs have it', hasTexts(second, ['from the first']));
  await first.close();
  await second.reload();
  await isOnline(second);
  const third = await tab(second);
  await isOnline(third);
  await bob.getByTestId('conversation').click();
  await write(bob, 'still there?');
  await until('it goes on', hasTexts(second, ['from the first', 'still there?']));

  await third.getByRole('button', { name: 'Sign out' }).click();
  for (const page of [second, third]) await page.getByTestId('name').waitFor();
  assert.equal(await kept(second), null, 'no token stays');
  await second.reload();
  await second.getByTestId('name').waitFor();

  await third.getByTestId('name').fill('ann');
  await third.getByRole('button', { name: 'Sign in' }).click();
  for (const page of [second, third]) await isOnline(page);
  for (const page of [second, bob]) await page.context().close();
});

test('a duplicated tab is a device of its own, and neither signs the other out', async () => {
  const page = await stage.open('dup');
  const opened = page.context().waitForEvent('page');
  // It begins with a copy of the session storage, as a duplicated tab does.
  await page.evaluate(() => void window.open('/'));
  const copy = await opened;
  await isOnline(copy);
  await until('two devices', async () => {
    const devices = await devicesOf(page);
    return (devices.length === 2 && devices[0] !== devices[1]) || devices;
  });
  await isOnline(page);
  const before = await devicesOf(page);
  await copy.reload();
  await isOnline(copy);
  await until('the same two after a reload', async () => {
    const now = await devicesOf(page);
    return JSON.stringify(now.toSorted()) === JSON.stringify(before.toSorted()) || now;
  });
  await page.context().close();
});

test('a server that answers 503 signs nobody out', async () => {
  const page = await stage.open('eve');
  await page.route('**/api/v1/**', (route) => route.fulfill({ status: 503, json: { code: 'unavailable' } }));
  await page.reload();
  await page.getByTestId('me').waitFor();
  await page.unroute('**/api/v1/**');
  await isOnline(page);
  assert.equal((await kept(page)).id, 'eve');
  await page.context().close();
});

test('a token that the server does not take any more is renewed, and nobody notices', async () => {
  const page = await stage.open('fred');
  await begin(page, ['gus']);
  // Of another server, by its signature.
  await page.evaluate(() => {
    const account = JSON.parse(localStorage.getItem('tidings.account'));
    account.token = `${account.token.slice(0, -8)}AAAAAAAA`;
    localStorage.setItem('tidings.account', JSON.stringify(account));
  });
  await page.reload();
  await isOnline(page);
  await write(page, 'on we go');
  await until('stored', async () => (await page.getByTestId('mark').count()) === 1);
  await page.context().close();
});

test('a session that was ended elsewhere is over, and the page says so', async () => {
  const page = await stage.open('hal');
  const { token } = await kept(page);
  const headers = { authorization: `Bearer ${token}` };
  await page.request.delete(`http://${stage.address}/api/v1/sessions`, { headers });
  await page.getByTestId('name').waitFor();
  await page.getByRole('alert').filter({ hasText: 'was ended' }).waitFor();
  assert.equal(await kept(page), null);
  await page.context().close();
});

test('a user who signs out has no token that is good any more, and comes in again at once', async () => {
  const page = await stage.open('una');
  const { token } = await kept(page);
  const me = async (of) => {
    const headers = { authorization: `Bearer ${of}` };
    return (await page.request.get(`http://${stage.address}/api/v1/me`, { headers })).status();
  };
  assert.equal(await me(token), 200);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByTestId('name').fill('una');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await isOnline(page);
  await until('the first token is refused', async () => (await me(token)) === 401 || (await me(token)));
  assert.equal(await me((await kept(page)).token), 200);
  await begin(page, ['vic']);
  await write(page, 'here again');
  await until('stored', async () => (await page.getByTestId('mark').count()) === 1);
  await page.context().close();
});

test('a user who signs out is signed out, also while the server does not answer', async () => {
  const page = await stage.open('wim');
  await page.route('**/api/v1/sessions?*', () => {});
  const asked = page.waitForRequest((request) => request.method() === 'DELETE');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByTestId('name').waitFor();
  assert.equal(await kept(page), null);
  await asked;
  await page.reload();
  await page.getByTestId('name').waitFor();
  await page.context().close();
});

test('users sign in at the OpenID provider of the operator, and stay signed in by its refresh tokens', async () => {
  issuer.user = { sub: 'iris', name: 'Iris' };
  issuer.lifetime = 12;
  const page = await (await company.profile()).newPage();
  const refused = [];
  page.on(
    'console',
    (message) => /Content Security Policy/.test(message.text()) && refused.push(message.text()),
  );
  await page.goto(`http://${company.address}/#/c/0198a5b0-0000-7000-8000-000000000000`);
  await page.getByTestId('oidc').waitFor();
  assert.equal(await page.getByTestId('name').count(), 0, 'no sign-in by name');
  await page.getByTestId('oidc').click();
  await isOnline(page);
  assert.equal(await page.getByTestId('me').textContent(), 'Iris');
  const address = new URL(page.url());
  assert.deepEqual(
    [address.search, address.hash.slice(0, 4)],
    ['', '#/c/'],
    'no code stays, and the place is kept',
  );
  const [authorization] = issuer.authorizations;
  assert.equal(authorization.response_type, 'code');
  assert.equal(authorization.code_challenge_method, 'S256');
  assert.ok(authorization.state && authorization.nonce);

  const { token } = await kept(page);
  await until('another token', async () => (await kept(page)).token !== token);
  assert.equal(issuer.forms.at(-1).grant_type, 'refresh_token');
  assert.equal(await page.getByTestId('banner').count(), 0, 'the connection goes on');
  await page.reload();
  await isOnline(page);
  assert.deepEqual(refused, []);
  issuer.lifetime = 3600;
  await page.context().close();
});

test('users sign in at a page of the operator that comes back with a token', async () => {
  issuer.user = { sub: 'jo', name: 'Jo' };
  const page = await (await company.profile()).newPage();
  await page.goto(`http://${company.address}/`);
  await page.getByTestId('redirect').click();
  await isOnline(page);
  assert.equal(await page.getByTestId('me').textContent(), 'Jo');
  assert.equal(page.url(), `http://${company.address}/`);
  await page.context().close();
});

test('no link signs anybody in', async () => {
  const page = await (await company.profile()).newPage();
  for (const link of [`/#token=${issuer.token()}&state=mine`, '/?code=stolen&state=mine']) {
    await page.goto(`http://${company.address}${link}`);
    await page.getByRole('alert').filter({ hasText: 'sign in again' }).waitFor();
    assert.equal(await kept(page), null);
    assert.equal(page.url(), `http://${company.address}/`);
    await page.goto('about:blank');
  }
  await page.context().close();
});
