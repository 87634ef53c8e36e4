// How much is fetched, as the server compresses it.

import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, test } from 'node:test';
import { begin, Stage } from './stage.mjs';

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
    const path = paths.get(requestId) ?? '';
    if (!path.startsWith('/api/')) files.set(path, encodedDataLength);
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

test('whoever comes for the first time fetches at most 30 KB before signing in', async () => {
  const page = await (await stage.profile()).newPage();
  const files = await fetched(page);
  await page.goto(`http://${stage.address}/`);
  await page.getByTestId('name').waitFor();
  await page.waitForLoadState('networkidle');
  const bytes = [...files.values()].reduce((sum, size) => sum + size, 0);
  assert.ok(bytes > 5_000 && bytes <= 30_000, `${bytes}: ${JSON.stringify([...files])}`);
  await page.context().close();
});

test('whoever is signed in fetches no form to sign in, and panels not before there is time', async () => {
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

test('whoever is signed in fetches at most 35.5 KB for the list, and 42 KB with a conversation', async () => {
  const page = await stage.open('bea');
  const reload = async (shows) => {
    const network = await fetched(page);
    const cache = await page.context().newCDPSession(page);
    await cache.send('Network.clearBrowserCache');
    await page.reload();
    await page.getByTestId(shows).waitFor();
    await page.getByTestId('banner').waitFor({ state: 'detached' });
    const bytes = [...network.values()].reduce((all, size) => all + size, 0);
    return { bytes, paths: [...network.keys()], files: JSON.stringify([...network]) };
  };
  const list = await reload('new');
  assert.ok(list.bytes > 20_000 && list.bytes <= 35_500, `${list.bytes}: ${list.files}`);
  // Where the browser takes no Brotli, as over plain HTTP of another machine.
  const gzipped = (await Promise.all(list.paths.map(gzippedSize))).reduce((all, size) => all + size, 0);
  assert.ok(gzipped > list.bytes && gzipped <= 39_000, `${gzipped} with gzip`);
  await begin(page, ['cy']);
  const open = await reload('composer');
  assert.ok(open.bytes > list.bytes && open.bytes <= 42_000, `${open.bytes}: ${open.files}`);
  await page.context().close();
});
