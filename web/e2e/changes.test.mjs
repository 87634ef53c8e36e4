// Messages as people know them: two people who react, edit, delete, answer, format and mention, with a mouse, on a phone
// and by keyboard alone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { People } from '../bench/people.mjs';
import { accuse } from './axe.mjs';
import { begin, hasTexts, isInView, Stage, texts, until, write } from './stage.mjs';
import { chooseByKeys, fits, item, messageOf, PHONE, pair as pairOf } from './talk.mjs';

const stage = new Stage();
let people;
before(async () => {
  await stage.begin();
  people = new People(stage.address);
});
after(() => stage.end());

const pair = (one, other, title, options) => pairOf(stage, people, [one, other], title, options);
const field = (page) => page.getByTestId('composer');

const reactionsOf = (page, text) => async () => {
  const all = messageOf(page, text).getByTestId('reaction');
  return Promise.all((await all.all()).map((one) => one.getAttribute('aria-label')));
};
const are = (ask, expected) => async () => {
  const seen = await ask();
  return JSON.stringify(seen) === JSON.stringify(expected) || seen;
};

test('people react, see who has, and take it back, by keyboard and by pointer', async () => {
  const [ann, bob] = await pair('ann', 'bob', 'Reactions');
  await write(ann, 'shall we?');
  await messageOf(bob, 'shall we?').waitFor();
  await chooseByKeys(bob, 'shall we?', 'React…');
  await bob.getByTestId('emoji-search').waitFor();
  await bob.keyboard.type('rocket');
  await bob.keyboard.press('Enter');
  await until('ann sees it', are(reactionsOf(ann, 'shall we?'), ['🚀 1: bob']));
  await until('the focus is back', () =>
    messageOf(bob, 'shall we?').evaluate((row) => row === document.activeElement),
  );

  await ann.getByTestId('reaction').click();
  await until('both', are(reactionsOf(bob, 'shall we?'), ['🚀 2: you, ann']));
  assert.equal(await ann.getByTestId('reaction').getAttribute('aria-pressed'), 'true');
  // By arrow keys through the emoji.
  await chooseByKeys(ann, 'shall we?', 'React…');
  await ann.getByTestId('emoji-search').press('ArrowDown');
  await ann.keyboard.press('ArrowRight');
  const chosen = await ann.evaluate(() => document.activeElement.textContent);
  await ann.keyboard.press('Enter');
  await until('another one', are(reactionsOf(bob, 'shall we?'), ['🚀 2: you, ann', `${chosen} 1: ann`]));
  await messageOf(bob, 'shall we?').click({ button: 'right' });
  await bob.locator('.menu').getByText('🚀 you, ann').waitFor();
  await bob.keyboard.press('Escape');

  await ann.getByTestId('reaction').first().click();
  await until('taken back', are(reactionsOf(bob, 'shall we?'), ['🚀 1: you', `${chosen} 1: ann`]));
  // As it is after a reload, and nothing of it counts as unread.
  await bob.reload();
  await until('the same', are(reactionsOf(bob, 'shall we?'), ['🚀 1: you', `${chosen} 1: ann`]));
  assert.equal(await bob.getByTestId('unread').count(), 0);
  for (const page of [ann, bob]) await page.context().close();
});

test('the last own message is edited by the Up arrow, and others see what it says now', async () => {
  const [dan, eve] = await pair('dan', 'eve', 'Edits');
  await write(dan, 'not mine to edit');
  await write(eve, 'hello wrold');
  await until('there', hasTexts(dan, ['not mine to edit', 'hello wrold']));
  await field(eve).fill('a draft');
  await field(eve).press('ArrowUp');
  assert.equal(await field(eve).inputValue(), 'a draft', 'in a text the key moves the caret');
  await field(eve).fill('');
  await field(eve).press('ArrowUp');
  await until('in the field', async () => (await field(eve).inputValue()) === 'hello wrold');
  await eve.keyboard.press('Escape');
  await until('given up', async () => (await field(eve).inputValue()) === '');
  await field(eve).press('ArrowUp');
  await until('in the field again', async () => (await field(eve).inputValue()) === 'hello wrold');
  await field(eve).fill('hello **world**');
  await field(eve).press('Enter');
  await until('edited', hasTexts(dan, ['not mine to edit', 'hello world']));
  await messageOf(dan, 'hello world').getByTestId('edited').waitFor();
  assert.equal(await messageOf(dan, 'hello world').locator('strong').textContent(), 'world');
  await dan.getByTestId('conversation').filter({ hasText: 'eve: hello world' }).waitFor();
  // What it was formatted by is there to be edited, and an edit that changes nothing is none.
  await field(eve).press('ArrowUp');
  await until('with its marks', async () => (await field(eve).inputValue()) === 'hello **world**');
  await field(eve).press('Enter');
  await eve.getByTestId('composing').waitFor({ state: 'detached' });
  await messageOf(dan, 'hello world').click({ button: 'right' });
  await item(dan, 'Earlier versions').click();
  const versions = dan.getByTestId('dialog').locator('.words');
  await until('both versions', async () => {
    const seen = await versions.allTextContents();
    return seen.join() === 'hello wrold,hello world' || seen;
  });
  await dan.keyboard.press('Escape');
  await dan.getByTestId('dialog').waitFor({ state: 'detached' });
  await messageOf(eve, 'hello world').click({ button: 'right' });
  await item(eve, 'Edit').waitFor();
  await eve.keyboard.press('Escape');
  await messageOf(eve, 'not mine').click({ button: 'right' });
  await item(eve, 'Reply').first().waitFor();
  assert.equal(await item(eve, 'Edit').count(), 0);
  await eve.reload();
  await messageOf(eve, 'hello world').getByTestId('edited').waitFor();
  assert.deepEqual(await texts(eve), ['not mine to edit', 'hello world']);
  for (const page of [dan, eve]) await page.context().close();
});

test('a message is deleted after one question, and says so in its place', async () => {
  const [fay, gus] = await pair('fay', 'gus', 'Deletes');
  await write(fay, 'a secret');
  await write(gus, 'of gus');
  await until('there', hasTexts(gus, ['a secret', 'of gus']));
  await chooseByKeys(fay, 'a secret', 'Delete…');
  await fay.getByTestId('dialog').waitFor();
  assert.equal(await fay.evaluate(() => document.activeElement.textContent.trim()), 'Keep it');
  await fay.keyboard.press('Enter');
  await fay.getByTestId('dialog').waitFor({ state: 'detached' });
  await chooseByKeys(fay, 'a secret', 'Delete…');
  await fay.keyboard.press('Tab');
  await fay.keyboard.press('Enter');
  await until('gone', hasTexts(gus, ['This message was deleted', 'of gus']));
  // Who leads a group takes away what others have written; they cannot.
  await messageOf(gus, 'This message').click({ button: 'right' });
  await item(gus, 'Copy link').waitFor();
  assert.equal(await item(gus, 'Reply').count(), 0);
  await gus.keyboard.press('Escape');
  await messageOf(fay, 'of gus').click({ button: 'right' });
  await item(fay, 'Delete').click();
  await fay.getByRole('button', { name: 'Delete', exact: true }).click();
  await until('both are gone', hasTexts(gus, ['This message was deleted', 'Deleted by an admin']));
  await gus.reload();
  await until('after a reload, too', hasTexts(gus, ['This message was deleted', 'Deleted by an admin']));
  const held = await gus.evaluate(() => document.body.innerHTML + JSON.stringify({ ...localStorage }));
  assert.ok(!held.includes('a secret'), 'nothing of it is left');
  for (const page of [fay, gus]) await page.context().close();
});

test('an answer shows what it answers, and leads there', async () => {
  const [hal, ivy, group] = await pair('hal', 'ivy', 'Answers');
  await write(hal, 'the first question');
  for (let i = 0; i < 60; i++) await people.write('cleo', group, `between ${i}`);
  await messageOf(ivy, 'between 59').waitFor();
  const address = new URL(ivy.url());
  const seq = await messageOf(ivy, 'the first question').getAttribute('data-seq');
  await chooseByKeys(ivy, 'the first question', 'Reply');
  await ivy.getByTestId('composing').filter({ hasText: 'Answer to hal' }).waitFor();
  await until('in the field', () => field(ivy).evaluate((element) => element === document.activeElement));
  await ivy.keyboard.type('the answer');
  await ivy.keyboard.press('Enter');
  const answer = messageOf(hal, 'the answer');
  await answer.getByTestId('quoted').filter({ hasText: 'You the first question' }).waitFor();
  await until('at the end', () => isInView(answer));
  const first = messageOf(hal, 'the first question').locator('p');
  await answer.getByTestId('quoted').click();
  await until('there', () => isInView(first));
  await until('with the focus', () =>
    hal.evaluate((wanted) => document.activeElement.dataset.seq === wanted, seq),
  );
  await chooseByKeys(hal, 'the answer', 'Go to what it answers');
  await until('by keys, too', () => isInView(first));

  // A link leads to a message, from anywhere.
  const other = await stage.open('ivy', { path: `/${address.hash}/${seq}` });
  const linked = messageOf(other, 'the first question').first();
  await until('the linked message', () => isInView(linked.locator('p')));
  await until('the address is that of the conversation', async () => other.url().endsWith(address.hash));
  for (const page of [hal, ivy, other]) await page.context().close();
});

test('names of members are completed and mentions stand out; code and links are as they were written', async () => {
  const [jan, kit] = await pair('jan', 'kit', 'Mentions', PHONE);
  await field(jan).pressSequentially('see `a_b_c` @k');
  const list = jan.getByTestId('mention-list');
  await list.getByRole('option', { name: 'kit' }).waitFor();
  assert.equal(
    await field(jan).getAttribute('aria-activedescendant'),
    await list.getByRole('option', { selected: true }).getAttribute('id'),
  );
  await accuse(jan, 'members to choose from');
  await jan.keyboard.press('Enter');
  await until('completed', async () => (await field(jan).inputValue()) === 'see `a_b_c` @kit ');
  await jan.keyboard.type('https://a.example/x_y_z');
  await jan.keyboard.press('Enter');
  const message = messageOf(kit, 'see a_b_c');
  await message.locator('.mention.me').filter({ hasText: '@kit' }).waitFor();
  assert.equal(await message.locator('code').textContent(), 'a_b_c');
  assert.equal(await message.locator('a').getAttribute('href'), 'https://a.example/x_y_z');
  await messageOf(jan, 'see a_b_c').locator('.mention:not(.me)').waitFor();
  // Enter chooses nothing where the list was closed.
  await field(jan).pressSequentially('@k');
  await list.waitFor();
  await jan.keyboard.press('Escape');
  await list.waitFor({ state: 'detached' });
  await jan.keyboard.press('Enter');
  await until('as it was written', async () => (await texts(kit)).at(-1) === '@k' || texts(kit));
  await field(jan).fill('```\nif (a) {\n  b();\n}\n```');
  await field(jan).press('Enter');
  await messageOf(kit, 'if (a)').locator('code.pre').waitFor();
  assert.equal(await messageOf(kit, 'if (a)').locator('code').textContent(), 'if (a) {\n  b();\n}');
  for (const page of [jan, kit]) await page.context().close();
});

test('all of it fits a phone of 360 pixels, by touch, and axe finds nothing serious', async () => {
  const [lea, max] = await pair('lea', 'max', 'Phone', PHONE);
  await write(max, `a long one ${'word '.repeat(40)}`);
  const message = messageOf(lea, 'a long one').first();
  await message.waitFor();
  const openMenu = async () => {
    await message.getByRole('button', { name: 'Message menu' }).tap();
    await lea.getByRole('menu').waitFor();
  };
  await openMenu();
  await fits(lea, 'the menu');
  await item(lea, 'React').tap();
  await lea.getByTestId('dialog').waitFor();
  await fits(lea, 'the emoji');
  await lea.getByRole('button', { name: '🎉 party celebrate' }).first().tap();
  await until('max sees it', are(reactionsOf(max, 'a long one'), ['🎉 1: lea']));
  await fits(lea, 'a reaction');
  await openMenu();
  await item(lea, 'Reply').first().tap();
  await lea.getByTestId('composing').waitFor();
  await fits(lea, 'an answer');
  await field(lea).fill('short');
  await lea.getByTestId('send').tap();
  await messageOf(lea, 'short').getByTestId('quoted').waitFor();
  await fits(lea, 'an answer that was sent');
  await openMenu();
  await item(lea, 'Delete').tap();
  await fits(lea, 'the question');
  await lea.getByRole('button', { name: 'Delete', exact: true }).tap();
  await until('gone', async () => (await texts(max))[0] === 'Deleted by an admin');
  await fits(lea, 'what was deleted');
  for (const page of [lea, max]) await page.context().close();
});

test('what is done without a connection is done when there is one, once and in its order', async () => {
  const [nia, oto] = await pair('nia', 'oto', 'Offline');
  await write(nia, 'first');
  await until('there', hasTexts(oto, ['first']));
  // What is loaded when there is time, is there offline, too.
  await until('loaded', () =>
    nia.evaluate(() => {
      const names = performance.getEntriesByType('resource').map(({ name }) => name);
      return (
        ['extras', 'Dialogs', 'later'].every((part) => names.some((name) => name.includes(part))) || names
      );
    }),
  );
  await nia.context().setOffline(true);
  await stage.stop('SIGKILL');
  await nia.getByTestId('banner').filter({ hasText: 'Offline' }).waitFor();
  await field(nia).press('ArrowUp');
  await until('in the field', async () => (await field(nia).inputValue()) === 'first');
  await field(nia).fill('second');
  await field(nia).press('Enter');
  await until('shown at once', hasTexts(nia, ['second']));
  await chooseByKeys(nia, 'second', 'React…');
  await nia.getByTestId('emoji-search').fill('robot');
  await nia.keyboard.press('Enter');
  await until('shown at once, too', are(reactionsOf(nia, 'second'), ['🤖 1: you']));
  await stage.serve(stage.address);
  await nia.context().setOffline(false);
  await until('others see both', are(reactionsOf(oto, 'second'), ['🤖 1: nia']));
  await messageOf(oto, 'second').getByTestId('edited').waitFor();
  for (const page of [nia, oto]) await page.context().close();
});

test('a server that lacks an operation refuses it, and the page says so', async () => {
  const old = await (await stage.profile()).newPage();
  await old.routeWebSocket(/\/ws/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((data) => {
      const { type, ref, client_id } = JSON.parse(String(data));
      if (type !== 'react') return server.send(data);
      const refusal = { code: 'unknown_type', message: 'unknown type', stored: 'no' };
      socket.send(JSON.stringify({ type: 'error', ref, client_id, ...refusal }));
    });
  });
  await old.goto(`http://${stage.address}/`);
  await old.getByTestId('name').fill('pia');
  await old.getByRole('button', { name: 'Sign in' }).click();
  await begin(old, ['qui']);
  await write(old, 'hello');
  await until('stored', async () => (await old.getByTestId('mark').count()) === 1);
  await chooseByKeys(old, 'hello', 'React…');
  await old.getByTestId('emoji-search').fill('robot');
  await old.keyboard.press('Enter');
  await old.getByRole('alert').filter({ hasText: 'This server cannot do that' }).waitFor();
  await until('not shown any more', async () => (await old.getByTestId('reaction').count()) === 0);
  await old.context().close();
});
