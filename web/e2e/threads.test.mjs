// Threads and forwarding between two people: beside the conversation and in it, by keyboard alone and on a phone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { People } from '../bench/people.mjs';
import { hasTexts, Stage, texts, until, write } from './stage.mjs';
import { chooseByKeys, fits, item, messageOf, moveTo, PHONE, pair as pairOf, row } from './talk.mjs';

const stage = new Stage();
let people;
before(async () => {
  await stage.begin();
  people = new People(stage.address);
});
after(() => stage.end());

const pair = (one, other, title, options) => pairOf(stage, people, [one, other], title, options);
const panel = (page) => page.getByTestId('thread');
const replyOf = (page, text) => panel(page).getByTestId('message').filter({ hasText: text });
const inThread = (page, expected) => async () => {
  const seen = await panel(page).getByTestId('message').locator('p').allTextContents();
  return JSON.stringify(seen) === JSON.stringify(expected) || seen;
};
const inMain = (page, expected) => async () => {
  const seen = await page.getByTestId('messages').getByTestId('message').locator('p').allTextContents();
  return JSON.stringify(seen) === JSON.stringify(expected) || seen;
};
const hasFocus = (locator) => () => locator.evaluate((element) => element === document.activeElement);

test('two people talk in a thread by keyboard alone, and it stays out of the conversation', async () => {
  const [ann, bob] = await pair('ann', 'bob', 'Threads');
  await write(ann, 'where shall we eat?');
  await messageOf(bob, 'where shall').waitFor();
  await chooseByKeys(bob, 'where shall', 'Reply in thread');
  await until('the field has the focus', hasFocus(panel(bob).getByTestId('thread-composer')));
  await bob.keyboard.type('at the river');
  await bob.keyboard.press('Enter');
  await until('bob sees it', inThread(bob, ['where shall we eat?', 'at the river']));

  const link = messageOf(ann, 'where shall').getByTestId('thread-link');
  await link.filter({ hasText: '1 reply' }).waitFor();
  await until('only there', inMain(ann, ['where shall we eat?']));
  await row(ann, 'Threads').filter({ hasText: 'You: where shall we eat?' }).waitFor();
  assert.equal(await ann.getByTestId('unread').count(), 0);
  await link.click();
  await until('ann reads it', inThread(ann, ['where shall we eat?', 'at the river']));
  await panel(ann).getByTestId('thread-composer').fill('too far');
  await panel(ann).getByTestId('thread-composer').press('Enter');
  await until('bob reads hers', inThread(bob, ['where shall we eat?', 'at the river', 'too far']));
  await messageOf(bob, 'where shall').getByTestId('thread-link').filter({ hasText: '2 replies' }).waitFor();

  // A reply has the menu of a message, and is edited where it stands.
  await chooseByKeys(bob, replyOf(bob, 'at the river'), 'Edit');
  await until('in the field of the thread', async () => {
    const text = await panel(bob).getByTestId('thread-composer').inputValue();
    return text === 'at the river' || text;
  });
  await panel(bob).getByTestId('thread-composer').fill('at the lake');
  await bob.keyboard.press('Enter');
  await until('edited for ann', inThread(ann, ['where shall we eat?', 'at the lake', 'too far']));
  await panel(ann).getByTestId('thread-composer').press('Escape');
  await panel(ann).waitFor({ state: 'detached' });
  await until('the focus is at the first message', hasFocus(messageOf(ann, 'where shall')));
  await ann.reload();
  await messageOf(ann, 'where shall').getByTestId('thread-link').filter({ hasText: '2 replies' }).click();
  await until('the same later', inThread(ann, ['where shall we eat?', 'at the lake', 'too far']));
  for (const page of [ann, bob]) await page.context().close();
});

test('a message is forwarded by keyboard alone, with who wrote it and without a mention', async () => {
  const [cid, dot] = await pair('cid', 'dot', 'Plans');
  await people.group('cid', ['eli'], 'Others');
  await people.group('cid', ['eli'], 'Nobody');
  const eli = await stage.open('eli');
  await row(eli, 'Others').click();
  await write(dot, 'we meet at **noon**');
  await messageOf(cid, 'we meet at noon').waitFor();
  await row(cid, 'Others').waitFor();
  await chooseByKeys(cid, 'we meet at noon', 'Forward…');
  const search = cid.getByRole('searchbox', { name: 'Find a conversation' });
  await until('the field has the focus', hasFocus(search));
  await cid.keyboard.type('oth');
  const box = cid.getByRole('dialog').getByRole('checkbox');
  await until('one is left', async () => (await box.count()) === 1);
  await cid.keyboard.press('Tab');
  await until('it has the focus', hasFocus(cid.getByRole('checkbox', { name: 'Others' })));
  await cid.keyboard.press('Space');
  await moveTo(cid, 'Forward', 'Tab');
  await cid.keyboard.press('Enter');
  await cid.getByTestId('dialog').waitFor({ state: 'detached' });
  await cid.getByText('Forwarded.', { exact: true }).waitFor();

  const copy = messageOf(eli, 'we meet at noon');
  await copy.getByTestId('forwarded').filter({ hasText: 'Forwarded from dot' }).waitFor();
  assert.equal(await copy.locator('strong').textContent(), 'noon');
  await until('unchanged here', hasTexts(dot, ['we meet at noon']));
  assert.equal(await row(eli, 'Nobody').filter({ hasText: 'we meet' }).count(), 0);
  await eli.reload();
  await messageOf(eli, 'we meet').getByTestId('forwarded').filter({ hasText: 'dot' }).waitFor();
  for (const page of [cid, dot, eli]) await page.context().close();
});

test('threads and forwarding fit a phone of 360 pixels, by touch', async () => {
  const [fay, gus] = await pair('fay', 'gus', 'Small', PHONE);
  await people.group('fay', ['eli'], `A long title ${'of many words '.repeat(4)}`);
  await write(gus, `a long one ${'word '.repeat(30)}`);
  const message = messageOf(fay, 'a long one').first();
  await message.waitFor();
  const choose = async (name) => {
    await message.getByRole('button', { name: 'Message menu' }).tap();
    await item(fay, name).tap();
  };
  await choose('Reply in thread');
  await panel(fay).waitFor();
  await panel(fay).getByTestId('thread-composer').fill('short');
  await panel(fay).getByTestId('send-reply').tap();
  await replyOf(fay, 'short').waitFor();
  await fits(fay, 'a thread');
  await panel(fay).getByRole('button', { name: 'Close', exact: true }).tap();
  await panel(fay).waitFor({ state: 'detached' });
  await fits(fay, 'a message with replies');
  await messageOf(gus, 'a long one').getByTestId('thread-link').waitFor();
  await choose('Forward…');
  await fay.getByTestId('dialog').waitFor();
  await fits(fay, 'the choice of conversations');
  await fay.getByRole('checkbox', { name: 'Small' }).tap();
  await fay.getByRole('button', { name: 'Forward', exact: true }).tap();
  await until('there', async () => (await texts(gus)).length === 2);
  await fits(fay, 'a message that was forwarded');
  for (const page of [fay, gus]) await page.context().close();
});
