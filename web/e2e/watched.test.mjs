// The threads that somebody follows and the messages that mention them, of all conversations, and the way to each.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { People } from '../bench/people.mjs';
import { isInView, Stage, until, write } from './stage.mjs';
import { chooseByKeys, fits, messageOf, PHONE, row } from './talk.mjs';

const stage = new Stage();
let people;
before(async () => {
  await stage.begin();
  people = new People(stage.address);
});
after(() => stage.end());

const panel = (page) => page.getByTestId('thread');
const items = (page) => page.getByTestId('watched-item');
const counts = (page, what, expected) => async () => {
  const seen = await page.getByTestId(`open-${what}`).textContent();
  return seen === expected || seen;
};
const hasFocus = (locator) => () => locator.evaluate((element) => element === document.activeElement);

/** Somebody with a conversation open, who writes in the thread of a message. */
async function answer(page, text, reply) {
  await chooseByKeys(page, text, 'Reply in thread');
  await panel(page).getByTestId('thread-composer').fill(reply);
  await panel(page).getByTestId('thread-composer').press('Enter');
  await panel(page).getByTestId('message').filter({ hasText: reply }).waitFor();
}

test('threads that somebody follows are listed with what is unread, and lead to the newest reply', async () => {
  await people.group('ann', ['bob'], 'Lunch');
  await people.group('ann', ['bob'], 'Other');
  const [ann, bob] = [await stage.open('ann'), await stage.open('bob')];
  await row(ann, 'Lunch').click();
  await write(ann, 'where?');
  await row(ann, 'Other').click();
  await row(bob, 'Lunch').click();
  await messageOf(bob, 'where?').waitFor();
  await answer(bob, 'where?', 'at the river');
  await until('ann is told', counts(ann, 'threads', 'Threads 1 unread'));
  await until('bob is not', counts(bob, 'threads', 'Threads'));

  // By keyboard alone.
  await ann.getByTestId('open-threads').focus();
  await ann.keyboard.press('Enter');
  await ann.getByTestId('watched').waitFor();
  await items(ann).waitFor();
  await until('the heading has the focus', async () =>
    ann.evaluate(() => document.activeElement.textContent === 'Threads'),
  );
  await ann.keyboard.press('Tab');
  await ann.keyboard.press('Tab');
  await until('the thread has the focus', hasFocus(items(ann)));
  const words = await items(ann).textContent();
  for (const part of ['Lunch', 'You: where?', 'bob: at the river', 'unread'])
    assert.ok(words.includes(part), words);
  await ann.keyboard.press('Enter');
  const reply = panel(ann).getByTestId('message').filter({ hasText: 'at the river' });
  await until('the reply has the focus', hasFocus(reply));
  await until('it is read', counts(ann, 'threads', 'Threads'));
  await until('in the list, too', async () => !(await items(ann).textContent()).includes('unread'));
  await ann.keyboard.press('Escape');
  await panel(ann).waitFor({ state: 'detached' });
  await ann.getByTestId('open-threads').focus();
  await ann.keyboard.press('Tab');
  await ann.getByTestId('watched').getByRole('button', { name: 'Close' }).focus();
  await ann.keyboard.press('Escape');
  await ann.getByTestId('watched').waitFor({ state: 'detached' });
  await until('the focus is back', hasFocus(ann.getByTestId('open-threads')));
  for (const page of [ann, bob]) await page.context().close();
});

test('messages that mention somebody are listed, and lead there, also into a thread', async () => {
  await people.group('cid', ['dot'], 'Crew');
  await people.group('cid', ['dot'], 'Quiet');
  const [cid, dot] = [await stage.open('cid'), await stage.open('dot')];
  await row(dot, 'Quiet').click();
  await row(cid, 'Crew').click();
  await write(cid, 'a question for @dot');
  await messageOf(cid, 'a question').locator('.mention').waitFor();
  await write(cid, 'and another topic');
  await messageOf(cid, 'and another topic').getByTestId('mark').waitFor();
  await answer(cid, 'and another topic', 'this is for @dot alone');
  await until('both are told', counts(dot, 'mentions', 'Mentions 2 unread'));
  await dot.getByTestId('open-mentions').click();
  await until('both are listed', async () => (await items(dot).count()) === 2);
  assert.deepEqual(
    (await items(dot).allInnerTexts()).map((text) => text.includes('New')),
    [true, true],
  );
  await items(dot).filter({ hasText: 'a question' }).click();
  const asked = messageOf(dot, 'a question');
  await until('there', () => isInView(asked));
  await until('with the focus', hasFocus(asked));
  await until('one is read', counts(dot, 'mentions', 'Mentions 1 unread'));
  await items(dot).filter({ hasText: 'alone' }).focus();
  await dot.keyboard.press('Enter');
  await until('in its thread', hasFocus(panel(dot).getByTestId('message').filter({ hasText: 'alone' })));
  await until('all are read', counts(dot, 'mentions', 'Mentions'));
  for (const page of [cid, dot]) await page.context().close();
});

test('both lists fit a phone of 360 pixels, by touch', async () => {
  await people.group('eve', ['fay'], `A title ${'of many words '.repeat(5)}`);
  const [eve, fay] = [await stage.open('eve'), await stage.open('fay', PHONE)];
  await row(eve, 'A title').click();
  await write(eve, `for @fay ${'and more '.repeat(20)}`);
  await until('told', counts(fay, 'mentions', 'Mentions 1 unread'));
  await fits(fay, 'what waits');
  await fay.getByTestId('open-threads').tap();
  await fay.getByText('You follow no thread yet').waitFor();
  await fits(fay, 'no threads');
  await fay.getByTestId('open-mentions').tap();
  await items(fay).waitFor();
  await fits(fay, 'mentions');
  await items(fay).tap();
  await until('there', () => isInView(messageOf(fay, 'for @fay')));
  await fits(fay, 'a message that was looked for');
  for (const page of [eve, fay]) await page.context().close();
});
