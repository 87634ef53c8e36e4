// How much is fetched, as the server compresses it.

import assert from 'node:assert/strict';
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

test('whoever is signed in fetches at most 39 KB for the list, and 45.5 KB with a conversation', async () => {
  const page = await stage.open('bea');
  const reload = async (shows) => {
    const network = await fetched(page);
    const cache = await page.context().newCDPSession(page);
    await cache.send('Network.clearBrowserCache');
    await page.reload();
    await page.getByTestId(shows).waitFor();
    await page.getByTestId('banner').waitFor({ state: 'detached' });
    const bytes = [...network.values()].reduce((all, size) => all + size, 0);
    return { bytes, files: JSON.stringify([...network]) };
  };
  const list = await reload('new');
  assert.ok(list.bytes > 20_000 && list.bytes <= 39_000, `${list.bytes}: ${list.files}`);
  await begin(page, ['cy']);
  const open = await reload('composer');
  assert.ok(open.bytes > list.bytes && open.bytes <= 45_500, `${open.bytes}: ${open.files}`);
  await page.context().close();
});
