// What a message looks like and what can be done with it; what the server refuses, and what operators say.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { begin, hasTexts, Stage, texts, until, write } from './stage.mjs';

/** A picture of one pixel. */
const DOT =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const stage = new Stage();
before(() => stage.begin());
after(() => stage.end());

/** Somebody whose messages a test answers or holds back: `onSend` gets the frame and how to pass it on. */
async function openBetween(name, onSend) {
  const page = await stage.open(name);
  await page.routeWebSocket(/\/ws/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((data) => {
      const frame = JSON.parse(String(data));
      if (frame.type !== 'send') return server.send(data);
      onSend({
        pass: () => server.send(data),
        refuse: (code, message) => {
          const { client_id, ref } = frame;
          socket.send(JSON.stringify({ type: 'error', ref, client_id, code, message, stored: 'no' }));
        },
      });
    });
  });
  await page.reload();
  await page.getByTestId('banner').waitFor({ state: 'detached' });
  return page;
}

test('a text that is refused stays with its reason, until it is sent again', async () => {
  let isRefused = true;
  const ann = await openBetween('ann', ({ pass, refuse }) =>
    isRefused ? refuse('forbidden', 'not before noon') : pass(),
  );
  const bob = await stage.open('bob');
  await begin(ann, ['bob']);
  await write(ann, 'good morning');
  const refused = ann.getByTestId('refused');
  await refused.filter({ hasText: 'not before noon' }).waitFor();
  // It is nobody else's, and in the way of no other conversation.
  await begin(ann, ['cat']);
  await until('the other one', async () => (await ann.locator('.thread h2').textContent()) === 'cat');
  assert.equal(await refused.count(), 0);
  assert.equal(await ann.getByText('not before noon').count(), 0);
  await ann.getByTestId('conversation').filter({ hasText: 'bob' }).click();
  await refused.filter({ hasText: 'good morning' }).waitFor();
  await ann.reload();
  await refused.filter({ hasText: 'good morning' }).waitFor();
  isRefused = false;
  await refused.getByRole('button', { name: 'Send again' }).click();
  await refused.waitFor({ state: 'detached' });
  await bob.getByTestId('conversation').click();
  await until('bob has it', hasTexts(bob, ['good morning']));
  for (const page of [ann, bob]) await page.context().close();
});

test('a text whose writer was removed meanwhile is not lost', async () => {
  const held = [];
  const dan = await openBetween('dan', ({ pass }) => held.push(pass));
  const cleo = await stage.open('cleo');
  await begin(cleo, ['dan', 'eli'], 'Crew');
  await dan.getByTestId('conversation').click();
  await write(dan, 'my long report');
  await until('it is on its way', () => held.length > 0);
  await cleo.getByRole('button', { name: 'members' }).click();
  await cleo.getByRole('button', { name: 'Remove dan' }).click();
  await dan.getByTestId('conversation').waitFor({ state: 'detached' });
  for (const pass of held) pass();
  const refused = dan.getByTestId('refused');
  await refused.filter({ hasText: 'my long report' }).waitFor();
  await dan.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await refused.getByRole('button', { name: 'Copy' }).click();
  assert.equal(await dan.evaluate(() => navigator.clipboard.readText()), 'my long report');
  await refused.getByRole('button', { name: 'Discard' }).click();
  await refused.waitFor({ state: 'detached' });
  await dan.reload();
  await dan.getByTestId('banner').waitFor({ state: 'detached' });
  assert.equal(await refused.count(), 0, 'discarded for good');
  for (const page of [dan, cleo]) await page.context().close();
});

test('what operators say to everybody is shown until it is dismissed', async () => {
  const people = [await stage.open('fay'), await stage.open('gus')];
  const post = (text) =>
    people[0].request.post(`http://${stage.address}/api/v1/admin/broadcast`, {
      headers: { authorization: `Bearer ${stage.token('operator', 'admin')}` },
      data: { id: crypto.randomUUID(), content: { text } },
    });
  await post('back in five minutes');
  for (const page of people) {
    const said = page.getByTestId('announcement').filter({ hasText: 'back in five minutes' });
    await said.waitFor();
    assert.equal(await page.getByRole('log', { name: 'Notices' }).count(), 1, 'a screen reader says it');
    await said.getByRole('button', { name: 'Dismiss' }).click();
    await said.waitFor({ state: 'detached' });
    await page.context().close();
  }
});

test('messages of one sender stand together, with one name and one picture', async () => {
  const hal = await stage.open('Hal Olsen');
  const ida = await stage.open('ida');
  await begin(ida, ['Hal Olsen', 'jo'], 'Crew');
  await hal.getByTestId('conversation').click();
  for (const text of ['one', 'two', 'three']) await write(hal, text);
  await until('all', hasTexts(ida, ['one', 'two', 'three']));
  assert.deepEqual(await ida.locator('.message .picture').allTextContents(), ['HO']);
  assert.deepEqual(await ida.locator('.message b bdi').allTextContents(), ['Hal Olsen']);
  await write(ida, 'four');
  await until('four before five', hasTexts(hal, ['one', 'two', 'three', 'four']));
  await write(hal, 'five');
  await until('all', hasTexts(ida, ['one', 'two', 'three', 'four', 'five']));
  assert.equal(await ida.locator('.message .picture').count(), 2);
  for (const page of [hal, ida]) await page.context().close();
});

test('each conversation of the list has a picture or initials, as its messages do, and nothing jumps', async () => {
  const ann = await stage.open('ann lee');
  const bob = await stage.open('bob');
  await begin(ann, ['bob']);
  await write(ann, 'hello');
  await begin(ann, ['bob', 'cleo'], 'Night crew');
  const named = (title) =>
    bob.getByTestId('conversation').filter({ has: bob.locator('.name', { hasText: title }) });
  const direct = named('ann lee');
  const group = named('Night crew');
  assert.equal(await direct.locator('.picture').textContent(), 'AL');
  assert.equal(await group.locator('.picture').textContent(), 'NC');
  await direct.click();
  const colourOf = (place) => place.evaluate((picture) => getComputedStyle(picture).backgroundColor);
  assert.equal(
    await colourOf(direct.locator('.picture')),
    await colourOf(bob.locator('.message .picture')),
    'the same colour as beside the message',
  );
  // A picture, which comes late: the row keeps its size, and so does what stands beside it.
  const boxes = () => direct.evaluate((row) => [row, ...row.children].map((part) => part.offsetTop));
  const before = await boxes();
  const avatar = 'https://pictures.example/ann.png';
  let show;
  const shown = new Promise((resolve) => {
    show = resolve;
  });
  await bob.route(avatar, async (route) => {
    await shown;
    const body = Buffer.from(DOT, 'base64');
    await route.fulfill({ contentType: 'image/png', body });
  });
  await bob.route('**/api/v1/conversations?*', async (route) => {
    const answer = await route.fetch();
    const page = await answer.json();
    for (const { members } of page.conversations)
      for (const member of members) if (member.name === 'ann lee') member.avatar = avatar;
    await route.fulfill({ response: answer, json: page });
  });
  await bob.reload();
  await direct.locator('img.picture').waitFor();
  assert.deepEqual(await boxes(), before);
  show();
  await until('drawn', () => direct.locator('img').evaluate((image) => image.naturalWidth === 1));
  assert.deepEqual(await boxes(), before);
  for (const page of [ann, bob]) await page.context().close();
});

test('the menu of a message opens by its button, a right click and the keyboard, and copies', async () => {
  const kim = await stage.open('kim');
  const lou = await stage.open('lou');
  await begin(kim, ['lou']);
  await write(kim, 'look at https://a.example/b.');
  await lou.getByTestId('conversation').click();
  const message = lou.getByTestId('message');
  await message.waitFor();
  assert.equal(await message.locator('a').getAttribute('href'), 'https://a.example/b', 'without the dot');
  await lou.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const menu = lou.getByRole('menu');
  await message.click({ button: 'right' });
  await menu.getByRole('menuitem', { name: 'Copy text' }).click();
  await lou.getByRole('status').filter({ hasText: 'Copied' }).waitFor();
  assert.equal(await lou.evaluate(() => navigator.clipboard.readText()), 'look at https://a.example/b.');
  await menu.waitFor({ state: 'detached' });
  await message.hover();
  await message.getByRole('button', { name: 'Message menu' }).click();
  await menu.waitFor();
  await lou.keyboard.press('Escape');
  await menu.waitFor({ state: 'detached' });
  await lou.getByTestId('messages').focus();
  await lou.keyboard.press('ArrowUp');
  await lou.keyboard.press('Shift+F10');
  await menu.getByRole('menuitem', { name: 'Quote' }).click();
  await lou.locator('#message:focus').waitFor();
  await lou.keyboard.type('I did');
  await lou.keyboard.press('Enter');
  await until(
    'quoted',
    async () => (await texts(kim)).at(-1) === '> look at https://a.example/b.\nI did' || (await texts(kim)),
  );
  for (const page of [kim, lou]) await page.context().close();
});

test('the menu of a message copies an address that leads to it, and writes to its sender alone', async () => {
  const max = await stage.open('max');
  const ned = await stage.open('ned');
  await begin(max, ['ned', 'ole'], 'Three');
  await write(max, 'to all');
  await ned.getByTestId('conversation').click();
  const item = (name) => ned.getByRole('menuitem', { name });
  const message = ned.getByTestId('message').filter({ hasText: 'to all' });
  await ned.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await message.click({ button: 'right' });
  await item('Copy link to this message').click();
  await ned.getByRole('status').filter({ hasText: 'Copied' }).waitFor();
  const seq = await message.getAttribute('data-seq');
  assert.equal(await ned.evaluate(() => navigator.clipboard.readText()), `${ned.url()}/${seq}`);
  await message.click({ button: 'right' });
  await item('Write to max').click();
  await until('a conversation of the two', async () => {
    const title = await ned.locator('.thread h2').textContent();
    return title === 'max' || title;
  });
  await write(ned, 'to you alone');
  await max.getByTestId('conversation').filter({ hasText: 'to you alone' }).click();
  await until('it is there', hasTexts(max, ['to you alone']));
  // Between two, and of one's own, there is nobody else to write to.
  await max.getByTestId('message').click({ button: 'right' });
  await max.getByRole('menuitem', { name: 'Quote' }).waitFor();
  assert.equal(await max.getByRole('menuitem', { name: 'Write to' }).count(), 0);
  for (const page of [max, ned]) await page.context().close();
});

test('the menu of an own message says who has read it, between two as well', async () => {
  const pam = await stage.open('pam');
  const rob = await stage.open('rob');
  await begin(pam, ['rob']);
  await write(pam, 'seen?');
  await rob.getByTestId('conversation').click();
  await until('read', async () => (await pam.getByTestId('mark').textContent()) === 'read');
  await pam.getByTestId('message').click({ button: 'right' });
  await pam.locator('.menu .fact', { hasText: 'Read by rob' }).waitFor();
  for (const page of [pam, rob]) await page.context().close();
});

test('on a phone a long press opens the menu, a short one does not, and members fit', async () => {
  const mia = await stage.open('mia', {
    viewport: { width: 390, height: 780 },
    hasTouch: true,
    isMobile: true,
  });
  await begin(mia, ['ned-with-a-name-that-is-rather-long-for-a-phone-of-this-size', 'oda'], 'Crew');
  assert.equal(
    await mia.evaluate(() => document.activeElement.tagName),
    'H2',
    'no keyboard covers what was opened',
  );
  await write(mia, 'press me');
  await mia.getByTestId('mark').waitFor();
  const { x, y } = await mia.getByTestId('message').boundingBox();
  const touch = await mia.context().newCDPSession(mia);
  const press = async (ms) => {
    await touch.send('Input.dispatchTouchEvent', {
      type: 'touchStart',
      touchPoints: [{ x: x + 20, y: y + 15 }],
    });
    await mia.waitForTimeout(ms);
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  };
  await press(50);
  assert.equal(await mia.getByRole('menu').count(), 0);
  await press(800);
  const menu = mia.getByRole('menu');
  await menu.waitFor();
  const box = await menu.boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 390 && box.y + box.height <= 780, JSON.stringify(box));
  await menu.getByRole('menuitem', { name: 'Quote' }).click();
  await until('quoted', async () => {
    const written = await mia.getByTestId('composer').inputValue();
    return written === '> press me\n' || written;
  });
  await mia.getByRole('button', { name: 'members' }).click();
  await mia.getByRole('heading', { name: 'Members' }).waitFor();
  const right = await mia
    .getByRole('button', { name: /^Remove/ })
    .evaluateAll((buttons) => Math.max(...buttons.map((button) => button.getBoundingClientRect().right)));
  assert.ok(right > 0 && right <= 390, `the last button ends at ${right}`);
  await mia.context().close();
});

test('a text that is too long is not cut: the page says by how much', async () => {
  const pia = await stage.open('pia');
  const quin = await stage.open('quin');
  await begin(pia, ['quin']);
  const composer = pia.getByTestId('composer');
  await composer.evaluate((field) => {
    const clipboard = new DataTransfer();
    clipboard.setData('text/plain', '🙂'.repeat(8_010));
    field.focus();
    document.execCommand('insertText', false, clipboard.getData('text/plain'));
  });
  const said = pia.getByRole('status').filter({ hasText: 'Too long by 10 characters' });
  await said.waitFor();
  await composer.press('Enter');
  assert.equal((await composer.inputValue()).length, 16_020, 'kept as it is');
  assert.equal((await texts(pia)).length, 0);
  for (let i = 0; i < 10; i++) await composer.press('Backspace');
  await said.waitFor({ state: 'detached' });
  await composer.press('Enter');
  await quin.getByTestId('conversation').click();
  await until('all that may be sent', async () => {
    const [text] = await texts(quin);
    return text?.length === 16_000 || text?.length;
  });
  for (const page of [pia, quin]) await page.context().close();
});

test('dark and light follow the system, and forced colours show states', async () => {
  const page = await stage.open('ria', { colorScheme: 'dark' });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await ground();
  await page.emulateMedia({ colorScheme: 'light' });
  assert.notEqual(await ground(), dark);
  await begin(page, ['sam']);
  await page.emulateMedia({ forcedColors: 'active' });
  const dot = page.getByTestId('conversation').getByTestId('dot');
  assert.equal(await dot.evaluate((element) => getComputedStyle(element).borderTopWidth), '2px');
  await page.context().close();
});
