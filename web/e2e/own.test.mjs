// What somebody sets for their conversations, on one device and on another.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { People } from '../bench/people.mjs';
import { begin, Stage, until, write } from './stage.mjs';
import { fits, moveTo, PHONE } from './talk.mjs';

const stage = new Stage();
before(() => stage.begin());
after(() => stage.end());

const rows = (page) => page.getByTestId('conversation');
const titles = (page) => rows(page).locator('.name bdi').allTextContents();
const lists = (page, expected) => async () => {
  const seen = await titles(page);
  return JSON.stringify(seen) === JSON.stringify(expected) || seen;
};

/** Chooses something in the menu of a conversation. */
async function choose(page, title, label) {
  await rows(page).filter({ hasText: title }).click({ button: 'right' });
  await page.getByRole('menuitem', { name: label, exact: true }).click();
  await page.getByRole('menu').waitFor({ state: 'detached' });
}

test('what is set on one device is so on the other one, and after a reload', async () => {
  const phone = await stage.open('una');
  const laptop = await stage.open('una');
  const vic = await stage.open('vic');
  for (const title of ['Alps', 'Baking', 'Chess']) {
    await begin(vic, ['una'], title);
    await write(vic, `about ${title}`);
  }
  for (const page of [phone, laptop]) await until('all three', lists(page, ['Chess', 'Baking', 'Alps']));

  await choose(phone, 'Alps', 'Pin to the top');
  await choose(phone, 'Baking', 'Mute');
  await choose(phone, 'Chess', 'Archive');
  for (const page of [phone, laptop]) {
    await until('pinned and archived', lists(page, ['Alps', 'Baking']));
    await rows(page).filter({ hasText: 'Alps' }).getByText('Pinned').waitFor();
    await rows(page).filter({ hasText: 'Baking' }).getByText('Muted').waitFor();
  }
  // What is muted or archived is not counted.
  await until('one of three counts', async () => {
    const title = await laptop.title();
    return title.startsWith('(1)') || title;
  });
  await laptop.getByTestId('archived').click();
  await until('the archive', lists(laptop, ['Chess']));
  await choose(laptop, 'Chess', 'Take out of the archive');
  await until('it is empty', lists(laptop, []));
  await laptop.getByTestId('archived').click();
  await until('it is back', lists(phone, ['Alps', 'Chess', 'Baking']));

  await phone.reload();
  await phone.getByTestId('banner').waitFor({ state: 'detached' });
  await until('the same after a reload', lists(phone, ['Alps', 'Chess', 'Baking']));
  await rows(phone).filter({ hasText: 'Baking' }).getByText('Muted').waitFor();

  await choose(phone, 'Baking', 'Hide until the next message');
  await until('hidden', lists(laptop, ['Alps', 'Chess']));
  await rows(vic).filter({ hasText: 'Baking' }).click();
  await write(vic, 'more about it');
  for (const page of [phone, laptop]) await until('it comes back', lists(page, ['Alps', 'Baking', 'Chess']));
  assert.deepEqual(await titles(vic), ['Baking', 'Chess', 'Alps'], 'for others nothing has changed');
  for (const page of [phone, laptop, vic]) await page.context().close();
});

test('a conversation is marked as unread until somebody looks at it', async () => {
  const phone = await stage.open('wes');
  const laptop = await stage.open('wes');
  const xia = await stage.open('xia');
  await begin(xia, ['wes']);
  await write(xia, 'read me');
  await rows(phone).click();
  for (const page of [phone, laptop])
    await until('read', async () => (await page.getByTestId('unread').count()) === 0);
  await phone.keyboard.press('Escape');
  // With the keyboard alone.
  await rows(phone).focus();
  await phone.keyboard.press('Shift+F10');
  const item = phone.getByRole('menuitem', { name: 'Mark as unread' });
  await item.waitFor();
  await until('it has the focus', async () => {
    const focused = await phone.evaluate(() => document.activeElement.textContent);
    if (focused === 'Mark as unread') return true;
    await phone.keyboard.press('ArrowDown');
    return focused;
  });
  await phone.keyboard.press('Enter');
  for (const page of [phone, laptop]) await page.getByTestId('marked-unread').waitFor();
  await rows(laptop).click();
  for (const page of [phone, laptop]) await page.getByTestId('marked-unread').waitFor({ state: 'detached' });
  for (const page of [phone, laptop, xia]) await page.context().close();
});

test('the menu of a conversation fits a phone of 360 pixels by touch, and is left by keys', async () => {
  const phone = await stage.open('yan', PHONE);
  const zoe = await stage.open('zoe');
  await begin(zoe, ['yan'], `Trips ${'and more '.repeat(6)}`);
  await write(zoe, `a long one ${'word '.repeat(20)}`);
  await begin(zoe, ['yan'], 'Second');
  await write(zoe, 'newer');
  await until('both', async () => (await rows(phone).count()) === 2);
  await fits(phone, 'the list');
  const trips = phone.getByRole('button', { name: /^Menu of Trips/ });
  await trips.tap();
  await phone.getByRole('menu', { name: 'Conversation' }).waitFor();
  await fits(phone, 'the menu');
  // By keyboard alone: to the last choice, back to the first, and away.
  await phone.keyboard.press('End');
  await until('the last one', async () =>
    phone.evaluate(() => document.activeElement.textContent === 'Hide until the next message'),
  );
  await phone.keyboard.press('Escape');
  await phone.getByRole('menu').waitFor({ state: 'detached' });
  await until('the focus is back', () => trips.evaluate((button) => button === document.activeElement));
  await phone.keyboard.press('Enter');
  await phone.getByRole('menu').waitFor();
  await moveTo(phone, 'Pin to the top', 'ArrowUp');
  await phone.keyboard.press('Enter');
  await until('it is the first', async () => (await titles(phone))[0].startsWith('Trips'));
  await phone.getByRole('button', { name: 'Menu of Second' }).tap();
  await phone.getByRole('menuitem', { name: 'Mute', exact: true }).tap();
  await rows(phone).filter({ hasText: 'Second' }).getByText('Muted').waitFor();
  for (const page of [phone, zoe]) await page.context().close();
});

test('who may do what is set for all devices, by keys and on a phone, and the server acts by it', async () => {
  const phone = await stage.open('uma', PHONE);
  const laptop = await stage.open('uma');
  const open = async (page) => {
    await page.getByTestId('open-privacy').focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('privacy').waitFor();
    return (label) => page.getByLabel(label, { exact: true });
  };
  const onPhone = await open(phone);
  await until('it is known', () => onPhone('Add you to a group').isEnabled());
  await fits(phone, 'privacy');
  await onPhone('Add you to a group').selectOption('Nobody');
  await onPhone('Find you in a search').selectOption('People you share a conversation with');
  await onPhone('What they say').selectOption('Who wrote it');
  const onLaptop = await open(laptop);
  const value = (label, expected) => async () => {
    const seen = await onLaptop(label).inputValue();
    return seen === expected || seen;
  };
  await until('groups', value('Add you to a group', 'nobody'));
  await until('search', value('Find you in a search', 'contacts'));
  await until('notifications', value('What they say', 'sender'));
  assert.equal(await onLaptop('Call you').inputValue(), 'everyone');
  // By keys alone: to the first letter of another choice.
  await onLaptop('Add you to a group').focus();
  await laptop.keyboard.press('p');
  await until('contacts', async () => {
    const seen = await onPhone('Add you to a group').inputValue();
    return seen === 'contacts' || seen;
  });
  await laptop.keyboard.press('Escape');
  await laptop.getByTestId('dialog').waitFor({ state: 'detached' });
  await until('the focus is back', () =>
    laptop.getByTestId('open-privacy').evaluate((button) => button === document.activeElement),
  );
  // A stranger may not.
  const refused = await new People(stage.address).group('stranger-of-uma', ['uma'], 'Spam').then(
    () => 'made',
    (error) => error.message,
  );
  assert.match(refused, /uma does not let you add them to a group/);
  for (const page of [phone, laptop]) await page.context().close();
});
