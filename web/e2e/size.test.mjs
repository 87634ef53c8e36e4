// How much is fetched, as the server compresses it.

import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, test } from 'node:test';
import { begin, hasTexts, Stage, until, write } from './stage.mjs';

const stage = new Stage();
before(() => stage.begin());
after(() => stage.end());

/** Bytes of each file of the page that are fetched from now on. */
async function fetched(page) {
  const files = new Map();
  const paths = new Map();
  const network = await page.context().newCDPSession(page);
  await network.send('Network.enable');
  network.on('Network.requestWillBeSent', ({ requestId, request }) =>
    paths.set(requestId, new URL(request.url).pathname),
  );
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    // What was begun before is of the page before.
    const path = paths.get(requestId);
    if (path && !path.startsWith('/api/')) files.set(path, encodedDataLength);
  });
  return files;
}

/** Bytes of an answer to somebody who takes gzip alone, its head included. */
function gzippedSize(path) {
  const options = { headers: { 'accept-encoding': 'gzip' } };
  return new Promise((resolve, reject) => {
    get(`http://${stage.address}${path}`, options, (answer) => {
      let size = answer.rawHeaders.reduce((all, text) => all + text.length + 2, 0);
      answer.on('data', (data) => {
        size += data.length;
      });
      answer.on('end', () => resolve(size));
    }).once('error', reject);
  });
}

test('a new visitor fetches at most 30 KB before signing in', async () => {
  const page = await (await stage.profile()).newPage();
  const files = await fetched(page);
  await page.goto(`http://${stage.address}/`);
  await page.getByTestId('name').waitFor();
  await page.waitForLoadState('networkidle');
  const bytes = [...files.values()].reduce((sum, size) => sum + size, 0);
  assert.ok(bytes > 5_000 && bytes <= 30_000, `${bytes}: ${JSON.stringify([...files])}`);
  await page.context().close();
});

test('a user who is signed in fetches no form to sign in, and panels not before there is time', async () => {
  const page = await stage.open('ann');
  const files = await fetched(page);
  await page.reload();
  await page.getByTestId('new').waitFor();
  await page.getByTestId('banner').waitFor({ state: 'detached' });
  const names = [...files.keys()];
  assert.ok(
    names.some((name) => name.startsWith('/assets/')),
    String(names),
  );
  const isLater = (name) => /\/assets\/(SignIn|signing|OpenThread|later|oidc|events)/.test(name);
  assert.deepEqual(names.filter(isLater), []);
  await page.context().close();
});

test('a user who is signed in reads the list and a conversation before the client has come, in 33 KB', async () => {
  const bea = await stage.open('bea');
  const cy = await stage.open('cy');
  await begin(cy, ['bea']);
  await write(cy, 'hello bea');
  await bea.getByTestId('conversation').waitFor();
  let release = () => {};
  await bea.route(/\/assets\/client-/, async (route) => {
    await new Promise((resolve) => {
      release = resolve;
    });
    await route.continue();
  });
  const reload = async (text) => {
    const network = await fetched(bea);
    const cache = await bea.context().newCDPSession(bea);
    await cache.send('Network.clearBrowserCache');
    await bea.reload();
    await bea.getByText(text).first().waitFor();
    const bytes = [...network.values()].reduce((all, size) => all + size, 0);
    // Where the browser takes no Brotli, as over plain HTTP of another machine.
    const gzipped = (await Promise.all([...network.keys()].map(gzippedSize))).reduce(
      (all, one) => all + one,
      0,
    );
    assert.ok(bytes > 20_000 && gzipped > bytes, `${bytes} and ${gzipped}`);
    return { bytes, gzipped, files: JSON.stringify([...network]) };
  };
  const list = await reload('hello bea');
  assert.ok(list.bytes <= 25_500 && list.gzipped <= 28_000, `${list.bytes}, ${list.gzipped}: ${list.files}`);
  release();
  await bea.getByTestId('banner').waitFor({ state: 'detached' });
  await bea.getByTestId('conversation').click();
  await until('it is open', hasTexts(bea, ['hello bea']));
  const open = await reload('hello bea');
  await until('the conversation', hasTexts(bea, ['hello bea']));
  assert.ok(open.bytes <= 33_000 && open.gzipped <= 36_000, `${open.bytes}, ${open.gzipped}: ${open.files}`);

  // What is done meanwhile counts as soon as it can.
  await until('read', async () => (await bea.getByTestId('unread').count()) === 0);
  await write(bea, 'hello cy');
  await bea.getByLabel('Your status').selectOption('busy');
  assert.equal(await bea.getByTestId('composer').inputValue(), 'hello cy', 'not sent, and not gone');
  release();
  await until('sent', hasTexts(bea, ['hello bea', 'hello cy']));
  await until('it has come', hasTexts(cy, ['hello bea', 'hello cy']));
  await cy.getByTestId('conversation').getByRole('img', { name: 'busy' }).waitFor();
  for (const page of [bea, cy]) await page.context().close();
});
