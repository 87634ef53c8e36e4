// Who has received and read a message, and when: by its menu, for the one who wrote it and for others.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { People } from '../bench/people.mjs';
import { Stage, until, write } from './stage.mjs';
import { chooseByKeys, fits, focused, item, messageOf, PHONE, pair as pairOf } from './talk.mjs';

const stage = new Stage();
let people;
before(async () => {
  await stage.begin();
  people = new People(stage.address);
});
after(() => stage.end());

const pair = (one, other, title, options) => pairOf(stage, people, [one, other], title, options);
/** The names and words of one part of the dialog. */
const part = (page, name) =>
  page
    .getByTestId('dialog')
    .getByRole('region', { name, exact: true })
    .getByTestId('reader')
    .allTextContents();
const isToday = (text, what) =>
  text.includes(what) && text.includes(new Date().toLocaleDateString('en-US', { month: 'long' }));

test('the menu of a message says who has read it and since when, by keyboard alone', async () => {
  const [ann, bob] = await pair('ann', 'bob', 'Receipts');
  await write(ann, 'read me');
  await until('bob has read it', async () => {
    const mark = await messageOf(ann, 'read me').getByTestId('mark').textContent();
    return mark === 'read by 1 of 2' || mark;
  });
  await chooseByKeys(ann, 'read me', 'Who has read it…');
  await until('bob', async () => {
    const seen = await part(ann, 'Read');
    return (seen.length === 1 && seen[0].startsWith('bob') && isToday(seen[0], 'read')) || seen;
  });
  assert.deepEqual(await part(ann, 'Not yet received'), ['cleo ']);
  assert.deepEqual(await part(ann, 'Received'), []);
  assert.equal(await focused(ann), '×', 'the button that closes it');

  // Cleo comes, and is told of while it is open.
  const cleo = await stage.open('cleo');
  await until('cleo has it', async () => {
    const seen = await part(ann, 'Received');
    return (seen.length === 1 && seen[0].startsWith('cleo') && isToday(seen[0], 'received')) || seen;
  });
  await ann.keyboard.press('Escape');
  await ann.getByTestId('dialog').waitFor({ state: 'detached' });
  await until('the focus is back', () =>
    messageOf(ann, 'read me').evaluate((message) => message === document.activeElement),
  );
  // Others are told of it, too.
  await chooseByKeys(bob, 'read me', 'Who has read it…');
  await until('bob himself', async () => {
    const seen = await part(bob, 'Read');
    return (seen.length === 1 && seen[0].startsWith('You')) || seen;
  });
  for (const page of [ann, bob, cleo]) await page.context().close();
});

test('who has read a message fits a phone of 360 pixels, by touch', async () => {
  const [dot, eli] = await pair('dot', 'eli', 'Small', PHONE);
  await write(dot, 'short');
  const message = messageOf(dot, 'short');
  await message.getByTestId('mark').filter({ hasText: 'read' }).waitFor();
  await message.getByRole('button', { name: 'Message menu' }).tap();
  await item(dot, 'Who has read it').tap();
  await until('eli', async () => (await part(dot, 'Read')).length === 1);
  await fits(dot, 'who has read it');
  await dot.getByRole('button', { name: 'Close' }).tap();
  await dot.getByTestId('dialog').waitFor({ state: 'detached' });
  for (const page of [dot, eli]) await page.context().close();
});
