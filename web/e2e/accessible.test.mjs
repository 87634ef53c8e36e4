// Nobody is locked out: axe in every state, in both colour schemes; the keyboard; all scripts; narrow windows.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accuse } from './axe.mjs';
import { begin, hasTexts, Stage, until, write } from './stage.mjs';

const stage = new Stage();

before(() => stage.begin());
after(() => stage.end());

const focused = (page) =>
  page.evaluate(() => {
    const { id, className, tagName } = document.activeElement ?? {};
    return id || className || tagName;
  });

const focusIs = (page, expected) =>
  until(`the focus is on ${expected}`, async () => {
    const now = await focused(page);
    return now === expected || now;
  });

/** Refuses what is sent from this page on, as the server would. */
async function refuseSends(page, code, message) {
  await page.routeWebSocket(/\/ws/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((data) => {
      const frame = JSON.parse(String(data));
      if (frame.type !== 'send') return server.send(data);
      const { client_id, ref } = frame;
      socket.send(JSON.stringify({ type: 'error', ref, client_id, code, message, stored: 'no' }));
    });
  });
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing serious in any state, ${colorScheme}`, async () => {
    const ann = await stage.open(`ann ${colorScheme}`, { colorScheme });
    const bob = await stage.open(`bob ${colorScheme}`, { colorScheme });
    await accuse(ann, 'an empty list');
    await ann.getByTestId('new').click();
    await ann.getByTestId('with').fill(`bob ${colorScheme}`);
    await ann.getByRole('list', { name: 'Found' }).waitFor();
    await accuse(ann, 'a new conversation');
    await ann.keyboard.press('Escape');
    await begin(ann, [`bob ${colorScheme}`, 'cleo'], 'Crew');
    await write(ann, 'hello https://a.example/b.');
    await write(ann, 'and once more');
    await bob.getByTestId('unread').waitFor();
    await accuse(bob, 'a list with unread messages');
    await bob.getByTestId('conversation').click();
    await write(bob, 'hello ann');
    await until('answered', hasTexts(ann, ['hello https://a.example/b.', 'and once more', 'hello ann']));
    await accuse(ann, 'an open conversation');
    await ann.getByTestId('message').last().click({ button: 'right' });
    await ann.getByRole('menu').waitFor();
    await accuse(ann, 'the menu of a message');
    await ann.keyboard.press('Escape');
    await ann.getByRole('button', { name: 'members' }).click();
    await ann.getByRole('heading', { name: 'Members' }).waitFor();
    await accuse(ann, 'the members');
    await ann.getByTestId('composer').fill('x'.repeat(8_001));
    await accuse(ann, 'a text that is too long');
    await ann.context().setOffline(true);
    await stage.stop('SIGKILL');
    await ann.getByTestId('banner').filter({ hasText: 'Offline' }).waitFor();
    await accuse(ann, 'offline');
    await stage.serve(stage.address);
    const out = await ann.context().browser().newContext({ colorScheme });
    const signIn = await out.newPage();
    await signIn.goto(`http://${stage.address}/`);
    await signIn.getByTestId('name').waitFor();
    await accuse(signIn, 'signing in');
    for (const page of [ann, bob, signIn]) await page.context().close();
  });

  test(`axe finds nothing serious about too many devices, ${colorScheme}`, async () => {
    const tabs = [];
    for (let i = 0; i < 5; i++) tabs.push(await stage.open(`tia ${colorScheme}`, { colorScheme }));
    const sixth = await stage.open(`tia ${colorScheme}`, { colorScheme, until: 'devices' });
    const devices = sixth.getByTestId('devices');
    await devices.locator('li').nth(4).waitFor();
    await accuse(sixth, 'the devices');
    await sixth.route('**/api/v1/sessions/*', (route) =>
      route.fulfill({ status: 500, json: { code: 'internal', message: 'not now' } }),
    );
    await devices.getByRole('button', { name: 'End' }).first().click();
    await devices.getByRole('alert').filter({ hasText: 'not now' }).waitFor();
    await accuse(sixth, 'a device that could not be ended');
    for (const page of [...tabs, sixth]) await page.context().close();
  });

  test(`axe finds nothing serious about refused texts, ${colorScheme}`, async () => {
    const kim = await stage.open(`kim ${colorScheme}`, { colorScheme });
    await begin(kim, [`lou-${colorScheme}`]);
    await refuseSends(kim, 'forbidden', 'not today');
    await kim.reload();
    await kim.getByTestId('banner').waitFor({ state: 'detached' });
    await write(kim, 'let me in');
    await kim.getByTestId('refused').waitFor();
    await accuse(kim, 'a refused text');
    await kim.context().close();
  });
}

test('the focus goes where the eye goes', async () => {
  const page = await stage.open('fay');
  await focusIs(page, 'new');
  await page.keyboard.press('Enter');
  await focusIs(page, 'with');
  await page.keyboard.press('Escape');
  await focusIs(page, 'new');
  await page.keyboard.press('Enter');
  await focusIs(page, 'with');
  await page.keyboard.type('gil,hal');
  await page.keyboard.press('Enter');
  await focusIs(page, 'message');
  await page.getByRole('button', { name: 'members' }).focus();
  await page.keyboard.press('Enter');
  await focusIs(page, 'members-title');
  await page.keyboard.press('Escape');
  await focusIs(page, 'plain show-members');
  await page.getByTestId('composer').focus();
  await page.keyboard.press('Escape');
  await focusIs(page, 'conversation');
  await page.keyboard.press('Enter');
  await focusIs(page, 'message');
  await page.keyboard.type('hello');
  await page.keyboard.press('Enter');
  await page.getByTestId('mark').waitFor();
  await page.getByTestId('messages').focus();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Quote' }).waitFor();
  await until('on Quote', async () => {
    const at = await page.evaluate(() => document.activeElement.textContent);
    if (at !== 'Quote') await page.keyboard.press('ArrowDown');
    return at === 'Quote' || at;
  });
  await page.keyboard.press('Enter');
  await focusIs(page, 'message');
  await until('quoted', async () => {
    const written = await page.getByTestId('composer').inputValue();
    return written === '> hello\n' || written;
  });
  await page.context().close();
});

test('people of all scripts sign in, each as one of their own, and write in their direction', async () => {
  const anna = await stage.open('Анна');
  const lei = await stage.open('李雷');
  const noa = await stage.open('נועה');
  assert.equal(await anna.getByTestId('me').textContent(), 'Анна');
  await anna.getByTestId('new').click();
  await anna.getByTestId('with').fill('李雷');
  await anna.getByTestId('with').press(',');
  await anna.locator('.chosen li').waitFor();
  await anna.getByTestId('with').fill('נועה');
  await anna.getByTestId('title').fill('All');
  await anna.getByTestId('begin').click();
  await anna.getByTestId('composer').waitFor();
  await write(anna, 'привет');
  for (const page of [lei, noa]) await page.getByTestId('conversation').filter({ hasText: 'All' }).click();
  await write(noa, 'שלום, מה שלומך?');
  await until('all of it', hasTexts(lei, ['привет', 'שלום, מה שלומך?']));
  const direction = (text) =>
    lei.locator('.message p', { hasText: text }).evaluate((p) => getComputedStyle(p).direction);
  assert.deepEqual([await direction('שלום'), await direction('привет')], ['rtl', 'ltr']);
  assert.deepEqual(
    await noa.locator('.message b').allTextContents(),
    ['Анна: ', 'You: '],
    'a screen reader hears who wrote what',
  );
  const again = await stage.open('АННА');
  await again.getByTestId('conversation').filter({ hasText: 'All' }).waitFor();
  for (const page of [anna, lei, noa, again]) await page.context().close();
});

test('a screen reader hears what others write, and everything it meets has a name', async () => {
  const ira = await stage.open('ira');
  const joe = await stage.open('joe');
  await begin(ira, ['joe']);
  await joe.getByTestId('conversation').click();
  const log = joe.getByRole('log', { name: 'Messages' });
  await log.waitFor();
  await until(
    'quiet until the beginning is there',
    async () => (await log.getAttribute('aria-busy')) === 'false',
  );
  await write(ira, 'good news');
  await log.getByText('good news', { exact: true }).waitFor();
  assert.equal(await log.locator('.message b').textContent(), 'ira: ');
  await joe.getByRole('textbox', { name: 'Message' }).fill('fine');
  await joe.getByRole('textbox', { name: 'Message' }).press('Enter');
  // All of a long conversation is one stop of the Tab key.
  for (let i = 0; i < 12; i++) await write(ira, `more ${i}`);
  await log.getByText('more 11', { exact: true }).waitFor();
  assert.equal(await log.locator('[tabindex="0"], button:not([tabindex="-1"])').count(), 1);
  const unnamed = await joe.evaluate(() =>
    [...document.querySelectorAll('button, input, textarea, select, [role=button], [role=img]')]
      .filter((element) => element.checkVisibility())
      .filter(
        (element) =>
          !element.textContent.trim() &&
          !element.getAttribute('aria-label') &&
          !element.labels?.length &&
          !element.getAttribute('aria-labelledby'),
      )
      .map((element) => element.outerHTML),
  );
  assert.deepEqual(unnamed, []);
  for (const page of [ira, joe]) await page.context().close();
});

test('keys of an input method neither send nor close', async () => {
  const page = await stage.open('mei');
  await begin(page, ['ned']);
  const field = page.getByTestId('composer');
  await field.fill('かんじ');
  const press = (key, options) =>
    field.evaluate(
      (element, [key, options]) => {
        element.dispatchEvent(
          new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...options }),
        );
      },
      [key, options],
    );
  // Safari ends the composition before it tells of the Enter.
  await press('Enter', { keyCode: 229, isComposing: false });
  await press('Enter', { keyCode: 13, isComposing: true });
  await press('Escape', { keyCode: 229, isComposing: true });
  await press('Escape', { keyCode: 229, isComposing: false });
  assert.equal(await field.inputValue(), 'かんじ');
  await press('Enter', { keyCode: 13 });
  await until('sent by an Enter of its own', hasTexts(page, ['かんじ']));
  await page.context().close();
});

test('the page fits 280 pixels, and a window that is zoomed to 400 %', async () => {
  const page = await stage.open('a-rather-long-name-of-somebody', { viewport: { width: 280, height: 600 } });
  await begin(page, ['b'.repeat(60), 'c'.repeat(60)], 'W'.repeat(90));
  await write(page, `${'long'.repeat(60)} https://a.example/${'x'.repeat(120)}`);
  await page.getByRole('button', { name: 'members' }).click();
  await page.getByRole('heading', { name: 'Members' }).waitFor();
  const wide = () =>
    page.evaluate(() =>
      [
        document.documentElement,
        ...document.querySelectorAll('main, nav, section, form, header, div, ol, ul'),
      ]
        .filter((element) => element.checkVisibility() && element.scrollWidth > element.clientWidth + 1)
        .filter((element) => getComputedStyle(element).display !== 'inline')
        .map(
          (element) =>
            `${element.tagName}.${element.className}: ${element.scrollWidth} of ${element.clientWidth}`,
        ),
    );
  for (const [width, height] of [
    [280, 600],
    [320, 256],
  ]) {
    await page.setViewportSize({ width, height });
    assert.deepEqual(await wide(), [], `${width} wide, a conversation`);
    await page.getByTestId('composer').scrollIntoViewIfNeeded();
    await page.getByTestId('composer').fill('reachable');
  }
  await page.getByRole('button', { name: 'Back' }).click();
  await page.getByTestId('conversation').waitFor();
  assert.deepEqual(await wide(), [], 'the list');
  await page.context().close();
});
