// The SDK with its storage in IndexedDB, in a real browser: two tabs, a reload, storage that is full, forbidden or cleared.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { People } from '../bench/people.mjs';
import { Stage, until } from './stage.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const stage = new Stage();
let people;
before(async () => {
  execFileSync(process.execPath, [here('../sdk/build.mjs')]);
  await stage.begin();
  people = new People(stage.address);
});
after(() => stage.end());

/** A browser profile in which `/sdk/` of the server's own origin is the package. */
async function profile() {
  const context = await stage.profile();
  await context.route('**/sdk/*', async (route) => {
    const name = new URL(route.request().url()).pathname.slice('/sdk/'.length);
    if (name === 'page') return route.fulfill({ contentType: 'text/html', body: '<!doctype html>' });
    await route.fulfill({
      contentType: 'text/javascript',
      body: await readFile(here(`../sdk/dist/${name}`)),
    });
  });
  return context;
}

/** A tab with a client of this user, which is `client` on the page. */
async function open(context, user, device, isConnected = true, prepare = async () => {}) {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(`http://${stage.address}/sdk/page`);
  await prepare(page);
  const options = { url: `ws://${stage.address}/ws`, token: await people.token(user), deviceId: device };
  await page.evaluate(
    async ({ options, isConnected }) => {
      const { Client } = await import('/sdk/index.js');
      const { indexedDbStorage } = await import('/sdk/indexeddb.js');
      window.kept = indexedDbStorage('app');
      window.client = new Client({ ...options, storage: kept, cursors: kept });
      window.errors = [];
      window.shown = [];
      client.on('error', ({ code }) => errors.push(code));
      client.on('entry', ({ content }, origin) => shown.push([content.text, origin]));
      if (isConnected) await client.connect();
    },
    { options, isConnected },
  );
  return page;
}

const send = (page, to, text) =>
  page.evaluate(([to, text]) => void client.send({ to, content: { text } }), [to, text]);
const operations = (page) =>
  page.evaluate(
    async () => (await kept.keys('tidings/')).filter((key) => key.includes('/operation/')).length,
  );
const pending = (page) => page.evaluate(() => client.pending().length);

async function textsOf(user, conversation) {
  const { entries } = await people.messages(user, conversation);
  return entries.filter(({ kind }) => kind === 'text').map(({ content }) => content.text);
}

test('what one tab has left in IndexedDB is sent by another, once and in order, and no sooner', async () => {
  const id = await people.direct('ann', 'bob');
  const context = await profile();
  const writer = await open(context, 'ann', 'one', false);
  for (const text of ['first', 'second', 'third']) await send(writer, 'bob', text);
  await until('kept', async () => (await operations(writer)) === 3);
  const other = await open(context, 'ann', 'two');
  await send(other, 'bob', 'from the other tab');
  await until('answered', async () => (await pending(other)) === 0);
  assert.deepEqual(await textsOf('bob', id), ['from the other tab']);
  await writer.close();
  const all = ['from the other tab', 'first', 'second', 'third'];
  await until('inherited', async () => (await textsOf('bob', id)).length === all.length);
  assert.deepEqual(await textsOf('bob', id), all);
  await until('nothing is left', async () => (await operations(other)) === 0);
  assert.deepEqual(await other.evaluate(() => errors), []);
  await context.close();
});

test('two tabs that write at the same time lose and double nothing, also over a reload', async () => {
  const id = await people.direct('cal', 'dee');
  const context = await profile();
  const tabs = [await open(context, 'cal', 'one'), await open(context, 'cal', 'two')];
  for (let i = 0; i < 10; i++) for (const [at, tab] of tabs.entries()) await send(tab, 'dee', `${at} ${i}`);
  // A browser writes to IndexedDB in its own time: until then a reload forgets what was not sent yet, like any page.
  await until('each is kept or answered', () =>
    tabs[0].evaluate(async () => {
      const waiting = client.pending();
      const keys = await kept.keys('tidings/cal/operation/');
      return waiting.every(({ client_id }) => keys.includes(`tidings/cal/operation/${client_id}`));
    }),
  );
  await tabs[0].reload();
  const again = await open(context, 'cal', 'three');
  const of = (texts, at) => texts.filter((text) => text.startsWith(`${at} `));
  await until(
    'all are stored',
    async () => (await textsOf('dee', id)).length >= 20 || (await textsOf('dee', id)).length,
  );
  const texts = await textsOf('dee', id);
  const expected = (at) => Array.from({ length: 10 }, (_, i) => `${at} ${i}`);
  assert.deepEqual([of(texts, 0), of(texts, 1)], [expected(0), expected(1)]);
  await until('nothing is left', async () => (await operations(again)) === 0);
  await context.close();
});

test('cursors in IndexedDB: after a reload what was missed comes, and nothing twice', async () => {
  const id = await people.direct('eve', 'fay');
  const context = await profile();
  let page = await open(context, 'fay', 'one');
  for (const text of ['one', 'two']) await people.write('eve', id, text);
  await until('both came', async () => (await page.evaluate(() => shown.length)) >= 2);
  // The seq, and the id of its entry.
  const last = async () => {
    const cursor = await page.evaluate((id) => kept.getItem(`tidings/fay/cursor/one/at/${id}`), id);
    return Number(cursor?.split(' ')[0]);
  };
  const { head } = await people.conversation('fay', id);
  await until('kept', async () => (await last()) === head || last());
  await page.close();
  await people.write('eve', id, 'three');
  page = await open(context, 'fay', 'one');
  await until('what was missed', async () => (await page.evaluate(() => shown.length)) > 0);
  assert.deepEqual(await page.evaluate(() => shown), [['three', 'sync']]);
  await context.close();
});

test('where IndexedDB is full a message is sent once all the same, and the app is told once', async () => {
  const id = await people.direct('gil', 'hal');
  const context = await profile();
  // The browser remembers for a while how much room there was: it is full before anything is kept.
  const fill = async (page) => {
    const browser = await context.newCDPSession(page);
    const quota = { origin: `http://${stage.address}`, quotaSize: 1 };
    await browser.send('Storage.overrideQuotaForOrigin', quota);
  };
  const page = await open(context, 'gil', 'one', true, fill);
  for (const text of ['one', 'two']) await send(page, 'hal', text);
  await until('answered', async () => (await pending(page)) === 0);
  assert.deepEqual(await textsOf('hal', id), ['one', 'two']);
  await until('told', async () => (await page.evaluate(() => errors.length)) > 0);
  assert.deepEqual(await page.evaluate(() => errors), ['storage']);
  assert.equal(await operations(page), 0);
  await context.close();
});

test('where IndexedDB is forbidden a message is sent once all the same', async () => {
  const id = await people.direct('ian', 'joy');
  const context = await profile();
  await context.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('denied', 'SecurityError');
    };
  });
  const page = await open(context, 'ian', 'one');
  await send(page, 'joy', 'hello');
  await until('answered', async () => (await pending(page)) === 0);
  assert.deepEqual(await textsOf('joy', id), ['hello']);
  assert.deepEqual(await page.evaluate(() => errors), ['storage']);
  await context.close();
});

test('what is written after the browser has cleared its storage is kept again', async () => {
  const id = await people.direct('kim', 'leo');
  const context = await profile();
  const page = await open(context, 'kim', 'one', false);
  await send(page, 'leo', 'before');
  await until('kept', async () => (await operations(page)) === 1);
  const browser = await context.newCDPSession(page);
  const storage = { origin: `http://${stage.address}`, storageTypes: 'indexeddb' };
  await browser.send('Storage.clearDataForOrigin', storage);
  await send(page, 'leo', 'after');
  await until('kept again', async () => (await operations(page).catch(() => 0)) === 1);
  await page.evaluate(() => client.connect());
  await until('both are sent', async () => (await textsOf('leo', id)).join() === 'before,after');
  await context.close();
});
