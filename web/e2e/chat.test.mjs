// The chat page in a real browser against the real all-in-one binary.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { begin, hasTexts, readsAndAnswers, Stage, texts, until, write } from './stage.mjs';

const stage = new Stage();
before(() => stage.begin());
after(() => stage.end());

test('two people chat, see each other write, read and come and go', async () => {
  const ann = await stage.open('ann');
  const bob = await stage.open('bob');
  await begin(ann, ['bob']);
  await write(ann, 'hello bob');
  await bob.getByTestId('conversation').waitFor();
  await until('one unread message', async () =>
    (await bob.getByTestId('unread').textContent()).startsWith('1'),
  );
  await until('delivered', async () => {
    const mark = await ann.getByTestId('mark').textContent();
    return mark === 'delivered' || mark;
  });
  await bob.getByTestId('conversation').click();
  await until('the message is there', hasTexts(bob, ['hello bob']));
  await bob.getByTestId('unread').waitFor({ state: 'detached' });
  await readsAndAnswers(bob, ann);

  await ann.reload();
  await ann.getByTestId('conversation').click();
  await until('the same after a reload', hasTexts(ann, ['hello bob', 'hello ann']));

  const dot = ann.getByTestId('conversation').getByTestId('dot');
  await until('bob is online', async () => (await dot.getAttribute('aria-label')) === 'online');
  await bob.context().close();
  await until('bob is offline', async () => (await dot.getAttribute('aria-label')) === 'offline');
  await ann.context().close();
});

test('a group of three hears everything once and in order', async () => {
  const pages = [await stage.open('gus'), await stage.open('hal'), await stage.open('ida')];
  await begin(pages[0], ['hal', 'ida'], 'Crew');
  for (const page of pages.slice(1))
    await page.getByTestId('conversation').filter({ hasText: 'Crew' }).click();
  const all = [];
  for (let round = 0; round < 4; round++) {
    const text = `message ${round}`;
    all.push(text);
    await write(pages[round % 3], text);
    for (const page of pages) await until(`round ${round}`, hasTexts(page, all));
  }
  for (const page of pages) await page.context().close();
});

test('nothing is lost or doubled when the server was away', async () => {
  const ann = await stage.open('kim');
  const bob = await stage.open('lou');
  await begin(ann, ['lou']);
  await write(ann, 'before');
  await bob.getByTestId('conversation').click();
  await until('before', hasTexts(bob, ['before']));
  const { address } = stage;
  await stage.stop('SIGKILL');
  await ann.getByTestId('banner').waitFor();
  await write(ann, 'meanwhile');
  await write(bob, 'me too');
  await stage.serve(address);
  for (const page of [ann, bob]) {
    await until('all three, once', async () => {
      const seen = await texts(page);
      return JSON.stringify(seen.toSorted()) === JSON.stringify(['before', 'me too', 'meanwhile']) || seen;
    });
    await page.getByTestId('banner').waitFor({ state: 'detached' });
  }
  await until('the same order for both', async () => {
    const [one, other] = [await texts(ann), await texts(bob)];
    return JSON.stringify(one) === JSON.stringify(other) || [one, other];
  });
  for (const page of [ann, bob]) await page.context().close();
});

test('a phone shows the list or the thread, and long histories scroll back', async () => {
  const phone = await stage.open('moe', { viewport: { width: 390, height: 780 } });
  await begin(phone, ['nan']);
  const count = 70;
  for (let i = 0; i < count; i++) await write(phone, `line ${i}`);
  await until('all are stored', async () => (await phone.getByTestId('mark').count()) === count);
  await phone.getByRole('button', { name: '‹ Back' }).click();
  assert.equal(await phone.getByTestId('composer').isVisible(), false);
  await phone.reload();
  await phone.getByTestId('conversation').click();
  await until('the newest are shown', async () => (await texts(phone)).at(-1) === `line ${count - 1}`);
  assert.ok((await texts(phone)).length < count, 'only the tail at first');
  await until('scrolling back shows the first', async () => {
    await phone.getByTestId('messages').evaluate((list) => {
      list.scrollTop = 0;
    });
    return (await texts(phone)).length === count || (await texts(phone)).length;
  });
  assert.deepEqual(
    await texts(phone),
    Array.from({ length: count }, (_, i) => `line ${i}`),
  );
  await phone.context().close();
});

test('everything can be done with the keyboard alone', async () => {
  const page = await stage.open('pam');
  await page.getByTestId('new').focus();
  await page.keyboard.press('Enter');
  await page.locator('#with:focus').waitFor();
  await page.keyboard.type('quinn');
  await page.keyboard.press('Enter');
  await page.getByTestId('composer').waitFor();
  await page.getByTestId('composer').focus();
  await page.keyboard.type('no mouse');
  await page.keyboard.press('Enter');
  await until('sent', hasTexts(page, ['no mouse']));
  await page.keyboard.press('Escape');
  await page.getByTestId('conversation').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByTestId('composer').waitFor();
  await page.context().close();
});

test('a message is text, whatever it says', async () => {
  const page = await stage.open('rex');
  await begin(page, ['sue']);
  const nasty = '<img src=x onerror="document.title=1"> https://example.org/a?b=c';
  await write(page, nasty);
  await until('shown as written', hasTexts(page, [nasty]));
  assert.equal(await page.locator('.message img').count(), 0);
  assert.equal(await page.locator('.message a').getAttribute('rel'), 'noopener noreferrer');
  await page.context().close();
});
