// Where one is: addresses, drafts, days, what is new, the end; and how little of long lists is in the document.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { People, together } from '../bench/people.mjs';
import { hasTexts, isInView, middleOf, placeOf, Stage, texts, until, write } from './stage.mjs';

const stage = new Stage();
let people;
before(async () => {
  await stage.begin();
  people = new People(stage.address);
});
after(() => stage.end());

const row = (page, title) => page.getByTestId('conversation').filter({ hasText: title });
const heading = (page) => page.locator('.thread h2');
const isHeaded = (page, title) => async () => {
  const seen = (await heading(page).count()) ? await heading(page).textContent() : null;
  return seen === title || seen;
};

test('each conversation has an address: Back, reload and a link lead there', async () => {
  const one = await people.group('ada', ['ben'], 'One');
  const two = await people.group('ada', ['ben'], 'Two');
  const ada = await stage.open('ada');
  await row(ada, 'One').click();
  await until('One', isHeaded(ada, 'One'));
  assert.equal(new URL(ada.url()).hash, `#/c/${one}`);
  await row(ada, 'Two').click();
  await until('Two', isHeaded(ada, 'Two'));
  await ada.goBack();
  await until('back at One', isHeaded(ada, 'One'));
  await ada.goForward();
  await until('forward at Two', isHeaded(ada, 'Two'));
  await ada.reload();
  await until('Two after a reload', isHeaded(ada, 'Two'));

  // A link that somebody else opens, who has to sign in first.
  const ben = await stage.open('ben', { path: `/#/c/${two}` });
  await until('where the link leads', isHeaded(ben, 'Two'));
  const eve = await stage.open('eve', { path: `/#/c/${two}` });
  await until('not for everybody', async () => {
    const text = await eve.getByTestId('no-conversation').textContent();
    return text.includes('you are not a member') || text;
  });
  for (const page of [ada, ben, eve]) await page.context().close();
});

test('on a phone Back leads to the list and stays on the page', async () => {
  await people.group('cem', ['ben'], 'Pocket');
  const phone = await stage.open('cem', { viewport: { width: 390, height: 780 } });
  await row(phone, 'Pocket').click();
  await phone.getByTestId('composer').waitFor();
  await phone.goBack();
  await row(phone, 'Pocket').waitFor();
  assert.equal(await phone.getByTestId('composer').count(), 0);
  await row(phone, 'Pocket').click();
  await phone.getByRole('button', { name: '‹ Back' }).click();
  await row(phone, 'Pocket').waitFor();
  assert.equal(new URL(phone.url()).hash, '');
  await phone.context().close();
});

test('what is not sent yet is kept for each conversation', async () => {
  await people.group('dee', ['ben'], 'North');
  await people.group('dee', ['ben'], 'South');
  const dee = await stage.open('dee');
  const composer = dee.getByTestId('composer');
  await row(dee, 'North').click();
  await composer.fill('half a thought');
  await row(dee, 'South').click();
  await until('South', isHeaded(dee, 'South'));
  assert.equal(await composer.inputValue(), '');
  await composer.fill('another');
  await dee.reload();
  await until('still there', async () => (await composer.inputValue()) === 'another');
  await row(dee, 'North').click();
  await until('North', isHeaded(dee, 'North'));
  assert.equal(await composer.inputValue(), 'half a thought');
  await composer.press('Escape');
  await composer.waitFor({ state: 'detached' });
  await row(dee, 'North').click();
  assert.equal(await composer.inputValue(), 'half a thought', 'also after Escape');
  // Her session ends while she writes.
  await people.endSessions('dee');
  await dee.getByTestId('name').fill('dee');
  await dee.getByRole('button', { name: 'Sign in' }).click();
  await row(dee, 'North').click();
  assert.equal(await composer.inputValue(), 'half a thought', 'also when she has signed in again');
  await composer.press('Enter');
  await until('sent', hasTexts(dee, ['half a thought']));
  await dee.reload();
  await until('sent once', hasTexts(dee, ['half a thought']));
  assert.equal(await composer.inputValue(), '');
  await dee.context().close();
});

test('days are parted, and new messages from those that were read', async () => {
  const group = await people.group('fay', ['gus'], 'Days');
  await people.write('fay', group, 'from the beginning');
  const gus = await stage.open('gus');
  await row(gus, 'Days').click();
  await until('read', async () => (await gus.getByTestId('unread').count()) === 0);
  assert.equal(await gus.locator('.day').count(), 1);
  assert.equal(await gus.locator('.day').textContent(), 'Today');
  await gus.goBack();
  for (const text of ['new one', 'new two']) await people.write('fay', group, text);
  await gus.getByTestId('unread').waitFor();
  await row(gus, 'Days').click();
  const line = gus.getByTestId('new-line');
  await line.waitFor();
  const order = await gus
    .getByTestId('messages')
    .evaluate((list) =>
      [...list.children].map((child) => child.querySelector('p')?.textContent ?? child.className),
    );
  assert.deepEqual(order.slice(-4), ['from the beginning', 'new-line', 'new one', 'new two']);
  await write(gus, 'an answer');
  await line.waitFor({ state: 'detached' });
  await gus.context().close();
});

test('a user who was away for long begins at the first new message and gets to the end by one button', async () => {
  const group = await people.group('hal', ['ida'], 'Long');
  const ida = await stage.open('ida');
  await row(ida, 'Long').click();
  await people.write('hal', group, 'before');
  await until('read', hasTexts(ida, ['before']));
  await until('nothing unread', async () => (await ida.getByTestId('unread').count()) === 0);
  await ida.context().close();
  for (let i = 0; i < 260; i++) await people.write('hal', group, `new ${i}`);
  const again = await stage.open('ida', { viewport: { width: 900, height: 600 } });
  await row(again, 'Long').click();
  const first = again.getByText('new 0', { exact: true });
  await first.waitFor();
  assert.equal(await isInView(first), true);
  assert.ok((await texts(again)).length <= 240, 'not all are in the document');
  await again.getByTestId('to-end').click();
  const last = again.getByText('new 259', { exact: true });
  await until('the end', () => isInView(last));
  await again.getByTestId('to-new').click();
  await until('the beginning of what was new', () => isInView(first));
  // Scrolling leads through everything that lies between, in order.
  const seen = new Set();
  await until('every message', async () => {
    for (const text of await texts(again)) seen.add(text);
    await again.getByTestId('messages').evaluate((list) => {
      list.scrollTop += list.clientHeight / 2;
    });
    return (await isInView(last)) || seen.size;
  });
  for (const text of await texts(again)) seen.add(text);
  assert.equal([...seen].filter((text) => text.startsWith('new ')).length, 260);
  await again.context().close();
});

test('of very much that is new the first that is loaded is shown, and how many more are above', async () => {
  const group = await people.group('sam', ['tea'], 'Much');
  const tea = await stage.open('tea', { viewport: { width: 900, height: 600 } });
  await row(tea, 'Much').click();
  await people.write('sam', group, 'before');
  await until('read', hasTexts(tea, ['before']));
  await until('nothing unread', async () => (await tea.getByTestId('unread').count()) === 0);
  await tea.goto('about:blank');
  for (let i = 0; i < 260; i++) await people.write('sam', group, `new ${i}`);
  // Short pages, so that a few hundred are very much.
  const short = async (route) =>
    route.continue({
      url: route
        .request()
        .url()
        .replace(/limit=\d+/, 'limit=10'),
    });
  await tea.route('**/messages?*', short);
  // What is there at first: older ones come above it while it is looked at.
  await tea.addInitScript(() => {
    const observer = new MutationObserver(() => {
      const row = document.querySelector('.messages [data-seq] p');
      if (!row) return;
      observer.disconnect();
      globalThis.drawnFirst = row.textContent;
    });
    observer.observe(document, { childList: true, subtree: true });
  });
  await tea.goto(`http://${stage.address}/`);
  await row(tea, 'Much').click();
  await tea.getByTestId('to-new').filter({ hasText: 'more new above' }).waitFor();
  const first = await tea.evaluate(() => globalThis.drawnFirst);
  const above = Number.parseInt(first.replace('new ', ''), 10);
  assert.ok(above > 50 && above < 260, first);
  await until('the first that was loaded', () => isInView(tea.getByText(first, { exact: true })));
  // Both are read at once, for both change when older ones have come.
  await until('told how many are above the first that is loaded', () =>
    tea.evaluate(() => {
      const first = document.querySelector('.messages .message p')?.textContent;
      const told = document.querySelector('[data-testid=to-new]')?.textContent ?? '';
      return told === `↑ ${first?.replace('new ', '')} more new above` || `${told}; ${first}`;
    }),
  );
  await tea.unroute('**/messages?*', short);
  await tea.getByTestId('to-new').click();
  await until('the first', () => isInView(tea.getByText('new 0', { exact: true })));
  await tea.context().close();
});

test('what is read stays where it is when the page lets go of the oldest messages', async () => {
  const group = await people.group('uwe', ['val'], 'Flood');
  for (let i = 0; i < 90; i++) await people.write('uwe', group, `early ${i}`);
  const val = await stage.open('val', { viewport: { width: 900, height: 600 } });
  // The client of this page holds 100 entries of a conversation instead of 2,000.
  let isSmall = false;
  await val.route('**/assets/client-*.js', async (route) => {
    const answer = await route.fetch();
    const code = await answer.text();
    const small = code.replace(/constructor\((\w+)=2e3,/, 'constructor($1=100,');
    isSmall = small !== code;
    await route.fulfill({ response: answer, body: small });
  });
  await val.reload();
  await row(val, 'Flood').click();
  await val.getByTestId('to-end').click();
  await until('the end', () => isInView(val.getByText('early 89', { exact: true })));
  assert.ok(isSmall, 'the bound was found in the code of the page');
  const list = val.getByTestId('messages');
  const top = async () => {
    await list.evaluate((element) => {
      element.scrollTop = 0;
    });
    return (await texts(val))[0] === 'early 0' || (await texts(val))[0];
  };
  await until('the beginning', top);
  await list.evaluate((element) => {
    element.scrollTop = 500;
  });
  await val.getByTestId('to-end').waitFor();
  const place = await middleOf(list);
  for (let i = 0; i < 120; i++) await people.write('uwe', group, `flood ${i}`);
  await until('told below', async () => (await val.getByTestId('to-end').textContent()).includes('99+ new'));
  // The browser rounds.
  const { top: now } = await placeOf(list, place.seq);
  assert.ok(Math.abs(now - place.top) <= 2, `${now} instead of ${place.top}`);
  await val.getByTestId('to-end').click();
  await until('the newest', () => isInView(val.getByText('flood 119', { exact: true })));
  await val.context().close();
});

test('what is read stays where it is while others write, and while older messages come', async () => {
  const group = await people.group('joe', ['kim'], 'Still');
  for (let i = 0; i < 150; i++) await people.write('joe', group, `still ${i}`);
  const kim = await stage.open('kim', { viewport: { width: 900, height: 600 } });
  await row(kim, 'Still').click();
  await kim.getByTestId('to-end').click();
  await until('the end', () => isInView(kim.getByText('still 149', { exact: true })));
  const list = kim.getByTestId('messages');
  await list.evaluate((element) => {
    element.scrollTop -= 900;
  });
  await kim.getByTestId('to-end').waitFor();
  const place = await middleOf(list);
  for (let i = 0; i < 5; i++) await people.write('joe', group, `meanwhile ${i}`);
  await until('told below', async () => (await kim.getByTestId('to-end').textContent()).includes('5 new'));
  assert.deepEqual(await placeOf(list, place.seq), place);
  // Narrower: the text is laid out anew, and the same message is there.
  await kim.setViewportSize({ width: 760, height: 600 });
  const narrow = await placeOf(list, place.seq);
  assert.ok(Math.abs(narrow.top - place.top) < 200, JSON.stringify([place, narrow]));
  await kim.context().close();
});

test('older messages come, also for a reader who is at the beginning before the first ones have come', async () => {
  const group = await people.group('pat', ['quy'], 'Early');
  for (let i = 0; i < 70; i++) await people.write('quy', group, `early ${i}`);
  const pat = await stage.open('pat');
  await row(pat, 'Early').click();
  await pat.getByTestId('to-end').click();
  await until('all read', async () => (await pat.getByTestId('unread').count()) === 0);
  // The conversation is shown before its messages have come: history is asked for, and answers late.
  const [pages, history] = [gate(), gate()];
  await pat.routeWebSocket('**/ws?*', (page) => {
    const server = page.connectToServer();
    server.onMessage(async (message) => {
      if (String(message).includes('"type":"sync_page"')) await pages.opened;
      page.send(message);
    });
  });
  const asked = pat.waitForRequest('**/messages?*');
  await pat.route('**/messages?*', async (route) => {
    await history.opened;
    await route.continue();
  });
  await pat.reload();
  await asked;
  pages.open();
  await until('the newest', async () => (await texts(pat)).at(-1) === 'early 69');
  await pat.getByTestId('messages').evaluate((list) => {
    list.scrollTop = 0;
  });
  await until('told of it', async () => (await pat.getByTestId('to-end').count()) === 1);
  history.open();
  await until('the first', async () => (await texts(pat))[0] === 'early 0' || (await texts(pat))[0]);
  await pat.context().close();
});

test('of a long list and a long conversation only what is near the view is in the document', async () => {
  const count = 130;
  await together(
    6,
    Array.from({ length: count }, (_, i) => () => people.writeTo(`friend-${i}`, 'lea', `hello ${i}`)),
  );
  const requests = [];
  const lea = await stage.open('lea', { onRequest: (path) => requests.push(path) });
  await lea.locator(`[aria-setsize="${count}"]`).first().waitFor();
  assert.ok((await lea.getByTestId('conversation').count()) < 40);
  const api = requests.filter((path) => path.startsWith('/api/'));
  assert.ok(api.length <= 8, api.join('\n'));
  // One stop of the Tab key; the arrows lead to every row.
  assert.equal(await lea.locator('.conversation[tabindex="0"]').count(), 1);
  await lea.locator('.conversation[tabindex="0"]').focus();
  await lea.keyboard.press('End');
  await until('the last row', async () =>
    lea.evaluate(
      (size) => document.activeElement?.closest('li')?.getAttribute('aria-posinset') === size,
      `${count}`,
    ),
  );
  // The focus stays on its row while others move.
  const focused = () =>
    lea.evaluate(() => document.activeElement?.dataset.id ?? document.activeElement?.tagName);
  const id = await focused();
  await people.writeTo('friend-3', 'lea', 'on top');
  await lea.getByTestId('messages').waitFor({ state: 'detached' });
  await lea.locator('.rows').evaluate((rows) => {
    rows.scrollTop = 0;
  });
  await lea.getByTestId('conversation').filter({ hasText: 'on top' }).waitFor();
  assert.equal(await focused(), id);
  await lea.context().close();
});

test('the page is small when it comes first, and compressed', async () => {
  const bytes = await stage.sizeOfFirstLoad();
  assert.ok(bytes > 5_000 && bytes < 30 * 1_024, `${bytes} bytes`);
});

test('the tab shows what is unread, in its title and on its icon', async () => {
  const mo = await stage.open('mo');
  const icon = () => mo.locator('link[rel="icon"]').getAttribute('href');
  const plain = await icon();
  await people.writeTo('nia', 'mo', 'psst');
  await until('one', async () => (await mo.title()) === '(1) Tidings' || mo.title());
  assert.match(await icon(), /^data:image\/svg/);
  await row(mo, 'nia').click();
  await until('none', async () => (await mo.title()) === 'nia · Tidings' || mo.title());
  assert.equal(new URL(await icon(), mo.url()).pathname, new URL(plain, mo.url()).pathname);
  await mo.context().close();
});

function gate() {
  let open;
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
