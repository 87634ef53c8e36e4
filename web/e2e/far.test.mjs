// Messages far before what is loaded: a link, a mention and an answer lead there at once, and one goes on from there in
// both directions.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { People, together } from '../bench/people.mjs';
import { isInView, Stage, texts, until } from './stage.mjs';
import { chooseByKeys, fits, item, messageOf, PHONE, row } from './talk.mjs';

const MESSAGES = 400;
const stage = new Stage();
let people;
let group;
before(async () => {
  await stage.begin();
  people = new People(stage.address);
  group = await people.group('ann', ['bob', 'cid'], 'Long');
  // Each message by itself: their order is that of the log.
  for (let i = 0; i < MESSAGES; i++) await people.write(i % 2 ? 'ann' : 'cid', group, `message ${i}.`);
});
after(() => stage.end());

const seqOf = async (text) => {
  const answer = await fetch(`${people.base}/conversations/${group}/messages?after_seq=0&limit=200`, {
    headers: { authorization: `Bearer ${await people.token('ann')}` },
  });
  return (await answer.json()).entries.find(({ content }) => content.text === text).seq;
};
const list = (page) => page.locator('.timeline .messages');
const hasFocus = (locator) => () => locator.evaluate((element) => element === document.activeElement);
/** Pages of history that are asked for from now on. */
function asked(page) {
  const paths = [];
  page.on('request', (request) => {
    const { pathname, search } = new URL(request.url());
    if (pathname.endsWith('/messages')) paths.push(search);
  });
  return paths;
}

test('a link to a message far back leads there by one page, and scrolling goes on in both directions', async () => {
  const seq = await seqOf('message 100.');
  const bob = await stage.open('bob', { viewport: { width: 900, height: 600 } });
  await row(bob, 'Long').waitFor();
  const pages = asked(bob);
  await bob.goto(`http://${stage.address}/#/c/${group}/${seq}`);
  const wanted = messageOf(bob, 'message 100.');
  await until('there', () => isInView(wanted));
  await until('with the focus', hasFocus(wanted));
  const far = pages.filter((search) => search.includes(`around_seq=${seq}`));
  assert.equal(far.length, 1, pages.join('\n'));
  assert.ok(pages.length <= 3, pages.join('\n'));

  // Back to the beginning, in order and without a gap.
  await until('the beginning', async () => {
    await list(bob).evaluate((element) => {
      element.scrollTop = 0;
    });
    const all = await texts(bob);
    return all[0] === 'message 0.' || all[0];
  });
  // And on to the end.
  const seen = new Set();
  const last = messageOf(bob, `message ${MESSAGES - 1}.`);
  for (let steps = 0; !(await isInView(last)); steps++) {
    assert.ok(steps < 40, 'it comes to the end');
    const before = (await texts(bob)).at(-1);
    await until(`behind ${before}`, async () => {
      for (const text of await texts(bob)) seen.add(text);
      await list(bob).evaluate((element) => {
        element.scrollTop = element.scrollHeight;
      });
      return (await texts(bob)).at(-1) !== before || (await isInView(last)) || before;
    });
  }
  for (const text of await texts(bob)) seen.add(text);
  assert.equal(seen.size, MESSAGES);
  await people.write('cid', group, 'one more.');
  await until('new ones come', () => isInView(messageOf(bob, 'one more.')));
  await bob.context().close();
});

test('from far back one button leads to the end, and what others change is seen there at once', async () => {
  const seq = await seqOf('message 20.');
  const bob = await stage.open('bob', { path: `/#/c/${group}/${seq}` });
  const wanted = messageOf(bob, 'message 20.');
  await until('there', () => isInView(wanted));
  const ann = await stage.open('ann', { path: `/#/c/${group}/${seq}` });
  await until('ann, too', () => isInView(messageOf(ann, 'message 21.')));
  await chooseByKeys(ann, 'message 21.', 'Edit');
  await ann.getByTestId('composer').fill('message 21, edited.');
  await ann.getByTestId('composer').press('Enter');
  await messageOf(bob, 'message 21, edited.').getByTestId('edited').waitFor();
  await chooseByKeys(bob, 'message 20.', 'Copy link to this message');
  await bob.getByText('Copied.', { exact: true }).waitFor();
  await chooseByKeys(bob, 'message 20.', 'React…');
  await bob.getByTestId('emoji-search').fill('rocket');
  await bob.keyboard.press('Enter');
  await messageOf(ann, 'message 20.').getByTestId('reaction').waitFor();

  await bob.getByTestId('to-end').click();
  const end = messageOf(bob, 'one more.');
  await until('at the end', () => isInView(end));
  // What it says there is what the server says, when somebody comes again.
  await bob.evaluate((hash) => {
    location.hash = hash;
  }, `/c/${group}/${seq}`);
  await until('there again', () => isInView(wanted));
  await messageOf(bob, 'message 21, edited.').getByTestId('edited').waitFor();
  await messageOf(bob, 'message 20.').getByTestId('reaction').waitFor();
  // Who writes sees what they have written.
  await bob.getByTestId('composer').fill('here I am.');
  await bob.getByTestId('composer').press('Enter');
  await until('what was written', () => isInView(messageOf(bob, 'here I am.')));
  for (const page of [ann, bob]) await page.context().close();
});

test('a link to a reply opens its thread, also where both are far back, and one to nothing says so', async () => {
  const other = await people.group('dot', ['eve'], 'Threads');
  await people.write('dot', other, 'the root.');
  const eve = await stage.open('eve');
  await row(eve, 'Threads').click();
  await chooseByKeys(eve, 'the root.', 'Reply in thread');
  const panel = (page) => page.getByTestId('thread');
  await panel(eve).getByTestId('thread-composer').fill('the reply.');
  await panel(eve).getByTestId('thread-composer').press('Enter');
  const reply = panel(eve).getByTestId('message').filter({ hasText: 'the reply.' });
  await reply.getByTestId('mark').waitFor();
  const seq = await reply.getAttribute('data-seq');
  await together(
    4,
    Array.from({ length: 350 }, (_, i) => () => people.write('dot', other, `between ${i}.`)),
  );
  const dot = await stage.open('dot', { path: `/#/c/${other}/${seq}` });
  const opened = panel(dot).getByTestId('message').filter({ hasText: 'the reply.' });
  await until('the reply has the focus', hasFocus(opened));
  await panel(dot).getByTestId('message').filter({ hasText: 'the root.' }).waitFor();
  await panel(dot).getByTestId('thread-composer').fill('an answer.');
  await panel(dot).getByTestId('thread-composer').press('Enter');
  await reply.waitFor();
  await panel(eve).getByTestId('message').filter({ hasText: 'an answer.' }).waitFor();
  await dot.evaluate((hash) => {
    location.hash = hash;
  }, `/c/${other}/99999`);
  await dot.getByRole('alert').filter({ hasText: 'not here any more' }).waitFor();
  for (const page of [dot, eve]) await page.context().close();
});

test('on a phone of 360 pixels a link is copied from the menu, and leads back by touch', async () => {
  const phone = await stage.open('cid', { ...PHONE, permissions: ['clipboard-read', 'clipboard-write'] });
  await row(phone, 'Long').tap();
  await phone.getByTestId('composer').waitFor();
  await phone.evaluate(
    (hash) => {
      location.hash = hash;
    },
    `/c/${group}/${await seqOf('message 50.')}`,
  );
  const wanted = messageOf(phone, 'message 50.');
  await until('there', () => isInView(wanted));
  await fits(phone, 'a part far back');
  await wanted.getByRole('button', { name: 'Message menu' }).tap();
  await fits(phone, 'its menu');
  await item(phone, 'Copy link').tap();
  await phone.getByText('Copied.', { exact: true }).waitFor();
  const link = await phone.evaluate(() => navigator.clipboard.readText());
  assert.equal(link, `http://${stage.address}/#/c/${group}/${await seqOf('message 50.')}`);
  await phone.getByTestId('to-end').tap();
  await until('the end', () => isInView(messageOf(phone, 'here I am.')));
  await phone.context().close();
});
