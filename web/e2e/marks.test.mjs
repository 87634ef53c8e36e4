// What is unread, what was read and by whom, and who is writing: as two or more people see it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { People, together } from '../bench/people.mjs';
import { begin, hasTexts, Stage, until, write } from './stage.mjs';

const stage = new Stage();
let people;
before(async () => {
  await stage.begin();
  people = new People(stage.address);
});
after(() => stage.end());

const shows = (locator, text) => async () => {
  const seen = (await locator.count()) ? await locator.first().textContent() : null;
  return seen === text || seen;
};
const badge = (page, title) =>
  page.getByTestId('conversation').filter({ hasText: title }).getByTestId('unread');
const setWatching = (page, isWatching) =>
  page.evaluate((is) => {
    document.hasFocus = () => is;
    dispatchEvent(new Event(is ? 'focus' : 'blur'));
  }, isWatching);

test('what is unread is counted over the whole log, and goes on from there', async () => {
  const group = await people.group('abe', ['bea'], 'Busy');
  await together(
    6,
    Array.from({ length: 120 }, (_, i) => () => people.write('abe', group, `earlier ${i}`)),
  );
  const bea = await stage.open('bea');
  await until('120 are counted', shows(badge(bea, 'Busy'), '99+ unread'));
  await until('the title says so', async () => (await bea.title()) === '(99+) Tidings' || bea.title());
  await people.write('abe', group, 'one more');
  await until('the newest is shown', async () =>
    (await bea.getByTestId('conversation').textContent()).includes('one more'),
  );
  assert.equal(await badge(bea, 'Busy').textContent(), '99+ unread', 'still all of them');
  await bea.context().close();
});

test('a message is read when it was in view, and the others stay unread', async () => {
  const group = await people.group('cal', ['dot'], 'Long');
  for (let i = 0; i < 90; i++) await people.write('cal', group, `line ${i}\nand\nmore\nof it`);
  const dot = await stage.open('dot', { viewport: { width: 1000, height: 600 } });
  await until('90', shows(badge(dot, 'Long'), '90 unread'));
  await dot.getByTestId('conversation').filter({ hasText: 'Long' }).click();
  await dot.getByTestId('new-line').waitFor();
  await until('what is below the view is unread', async () => {
    const left = Number.parseInt(await badge(dot, 'Long').textContent(), 10);
    return (left > 60 && left < 90) || left;
  });
  assert.equal(await dot.getByText('line 0\n').isVisible(), true, 'the first new one is shown');
  // On another device of the same user it is the same number.
  const other = await stage.open('dot');
  const left = await badge(dot, 'Long').textContent();
  await until('both count alike', shows(badge(other, 'Long'), left));

  await dot.getByTestId('to-end').click();
  await badge(dot, 'Long').waitFor({ state: 'detached' });
  await badge(other, 'Long').waitFor({ state: 'detached' });
  await dot.context().close();
  await other.context().close();
});

test('nothing is read while nobody looks', async () => {
  const eve = await stage.open('eve');
  const fay = await stage.open('fay');
  await begin(eve, ['fay']);
  await write(eve, 'first');
  await fay.getByTestId('conversation').click();
  await until('read', shows(eve.getByTestId('mark'), 'read'));
  await setWatching(fay, false);
  await write(eve, 'second');
  await until('shown', hasTexts(fay, ['first', 'second']));
  await until('one unread', shows(badge(fay, 'eve'), '1 unread'));
  await until('new from there', async () => (await fay.getByTestId('new-line').count()) === 1);
  await until('delivered', shows(eve.getByTestId('mark').last(), 'delivered'));
  await setWatching(fay, true);
  await until('read when somebody looks', shows(eve.getByTestId('mark').last(), 'read'));
  await badge(fay, 'eve').waitFor({ state: 'detached' });
  await eve.context().close();
  await fay.context().close();
});

test('a mark in a group says of how many it is true, and of whom', async () => {
  const members = Array.from({ length: 11 }, (_, i) => `member-${i}`);
  const group = await people.group('gil', members, 'Twelve');
  const gil = await stage.open('gil');
  await gil.getByTestId('conversation').click();
  await write(gil, 'who reads this?');
  const mark = gil.getByTestId('mark');
  await until('stored', shows(mark, 'sent'));
  const readers = [];
  for (const name of members.slice(0, 2)) {
    const reader = await stage.open(name);
    readers.push(reader);
    await reader.getByTestId('conversation').filter({ hasText: 'Twelve' }).click();
  }
  await until('of two', shows(mark, 'read by 2 of 11'));
  const detail = await mark.getAttribute('title');
  assert.match(detail, /Read by member-0, member-1\. Not yet delivered to .* and 1 more/);
  // A member who joins later is not asked about what was written before.
  await people.add('gil', group, ['late']);
  await gil.reload();
  await until('the same after a reload', shows(mark, 'read by 2 of 11'));
  for (const reader of readers) await reader.context().close();
  await gil.context().close();
});

test('a large group says that receipts are off', async () => {
  const members = Array.from({ length: 70 }, (_, i) => `crowd-${i}`);
  await people.group('hob', members, 'Crowd');
  const hob = await stage.open('hob');
  await hob.getByTestId('conversation').click();
  await hob.getByTestId('receipts-off').waitFor();
  await write(hob, 'hello all');
  await until('sent, and nothing else is claimed', shows(hob.getByTestId('mark'), 'sent'));
  // Reading on another device is told all the same.
  const one = await stage.open('crowd-1');
  const two = await stage.open('crowd-1');
  await until('unread', shows(badge(two, 'Crowd'), '1 unread'));
  await one.getByTestId('conversation').click();
  await badge(two, 'Crowd').waitFor({ state: 'detached' });
  for (const page of [hob, one, two]) await page.context().close();
});

test('several people who write are told, each until they stop', async () => {
  const pages = [
    await stage.open('ian'),
    await stage.open('jon'),
    await stage.open('kai'),
    await stage.open('leo'),
  ];
  const [ian, jon, kai, leo] = pages;
  await begin(ian, ['jon', 'kai', 'leo'], 'Quartet');
  for (const page of [jon, kai, leo]) await page.getByTestId('conversation').click();
  const typing = ian.getByTestId('typing');
  await jon.getByTestId('composer').pressSequentially('a');
  await until('one', shows(typing, 'jon is writing…'));
  await kai.getByTestId('composer').pressSequentially('b');
  await until('two', shows(typing, 'jon and kai are writing…'));
  await leo.getByTestId('composer').pressSequentially('c');
  await until('three', shows(typing, 'several people are writing…'));
  await jon.getByTestId('composer').press('Enter');
  await until(
    'jon has sent',
    async () => !(await typing.textContent()).includes('jon') || typing.textContent(),
  );
  await until('his message is there', hasTexts(ian, ['a']));
  await until('nobody in the end', shows(typing, ''));
  for (const page of pages) await page.context().close();
});

test('somebody who goes on writing is told without a break', async () => {
  const mia = await stage.open('mia');
  const ned = await stage.open('ned');
  await begin(mia, ['ned']);
  await write(mia, 'well?');
  await ned.getByTestId('conversation').click();
  await ned.getByTestId('composer').pressSequentially('let me think');
  const typing = mia.getByTestId('typing');
  await until('ned writes', shows(typing, 'ned is writing…'));
  // What is seen from now on, at every change.
  await typing.evaluate((element) => {
    window.seen = [element.textContent];
    new MutationObserver(() => window.seen.push(element.textContent)).observe(element, {
      childList: true,
      characterData: true,
      subtree: true,
    });
  });
  await ned.getByTestId('composer').pressSequentially('x'.repeat(34), { delay: 250 });
  assert.deepEqual(await mia.evaluate(() => [...new Set(window.seen)]), ['ned is writing…']);
  await ned.context().close();
  await mia.context().close();
});

test('a chosen status stays over a reload and a restart, here and for others', async () => {
  const oda = await stage.open('oda');
  const pip = await stage.open('pip');
  await begin(oda, ['pip']);
  await write(oda, 'hi');
  const dot = pip.getByTestId('conversation').getByTestId('dot');
  await until('online', async () => (await dot.getAttribute('aria-label')) === 'online');
  const menu = oda.getByLabel('Your status');
  const other = await stage.open('oda');
  await menu.selectOption('invisible');
  await until('offline for others', async () => (await dot.getAttribute('aria-label')) === 'offline');
  await until(
    'told to the other device',
    async () => (await other.getByLabel('Your status').inputValue()) === 'invisible',
  );
  await oda.reload();
  await until('after a reload', async () => (await menu.inputValue()) === 'invisible');
  const { address } = stage;
  await stage.stop();
  await oda.getByTestId('banner').waitFor();
  await stage.serve(address);
  for (const page of [oda, other, pip]) await page.getByTestId('banner').waitFor({ state: 'detached' });
  await until('after a restart', async () => (await menu.inputValue()) === 'invisible');
  assert.equal(await dot.getAttribute('aria-label'), 'offline');
  for (const page of [oda, other, pip]) await page.context().close();
});

test('a member who is removed is told by whom, and the conversation is gone', async () => {
  const quin = await stage.open('quin');
  const ray = await stage.open('ray');
  await begin(quin, ['ray', 'sam'], 'Club');
  await ray.getByTestId('conversation').click();
  await ray.getByTestId('composer').waitFor();
  await people.remove('quin', await idOf(quin), 'ray');
  await until('said in place', shows(ray.getByTestId('no-conversation'), 'quin removed you from “Club”.'));
  assert.equal(await ray.getByTestId('conversation').count(), 0);

  await quin.context().close();
  await ray.context().close();
});

test('a member who was removed while away is told when they come back', async () => {
  const group = await people.group('vic', ['wes'], 'Circle');
  const wes = await stage.open('wes');
  await wes.getByTestId('conversation').waitFor();
  const { address } = stage;
  await stage.stop();
  await wes.getByTestId('banner').waitFor();
  // Back for others first: the page finds the server at another address only after they are done.
  await stage.serve('127.0.0.1:0');
  people.at(stage.address);
  await people.remove('vic', group, 'wes');
  await stage.stop();
  await stage.serve(address);
  people.at(stage.address);
  await wes.getByTestId('notice').waitFor();
  assert.match(await wes.getByTestId('notice').textContent(), /“Circle”/);
  assert.equal(await wes.getByTestId('conversation').count(), 0);
  await wes.getByRole('button', { name: 'Dismiss' }).click();
  await wes.getByTestId('notice').waitFor({ state: 'detached' });
  await wes.context().close();
});

test('the sixth device is told so and ends another one', async () => {
  const tabs = [];
  for (let i = 0; i < 5; i++) tabs.push(await stage.open('tia'));
  const sixth = await stage.open('tia', { until: 'devices' });
  const devices = sixth.getByTestId('devices');
  await until('all five are listed', async () => (await devices.locator('li').count()) === 5);
  assert.match(
    await devices.locator('li').first().textContent(),
    /Chrome on Linux, since .*from 127\.0\.0\.1/,
  );
  await devices.getByRole('button', { name: 'End' }).first().click();
  await devices.waitFor({ state: 'detached' });
  await sixth.getByTestId('banner').waitFor({ state: 'detached' });
  await begin(sixth, ['uma']);
  await write(sixth, 'in at last');
  await until('stored', shows(sixth.getByTestId('mark'), 'sent'));
  for (const page of [...tabs, sixth]) await page.context().close();
});

async function idOf(page) {
  return new URL(page.url()).hash.replace('#/c/', '');
}
