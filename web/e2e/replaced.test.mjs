// What a reader sees when the log under their eyes is replaced, and what is read of a log of which a part is not loaded.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { People } from '../bench/people.mjs';
import { hasTexts, isInView, middleOf, placeOf, Stage, texts, until } from './stage.mjs';

const stage = new Stage();
let people;
before(async () => {
  await stage.begin();
  people = new People(stage.address);
});
after(() => stage.end());

const row = (page, title) => page.getByTestId('conversation').filter({ hasText: title });
const badge = (page, title) => row(page, title).getByTestId('unread');
const toEnd = (page) => page.getByTestId('to-end');

/** Stops the server, does something with its data and starts it at the same address. */
async function pause(act) {
  const { address } = stage;
  await stage.stop();
  act();
  await stage.serve(address);
}

async function scrollBack(page, pixels) {
  await page.getByTestId('messages').evaluate((list, by) => {
    list.scrollTop -= by;
  }, pixels);
  await toEnd(page).waitFor();
}

async function writeLines(user, group, from, to) {
  for (let i = from; i < to; i++) await people.write(user, group, `line ${i}`);
}

async function openAtEnd(name, title, text) {
  const page = await stage.open(name, { viewport: { width: 900, height: 600 } });
  await row(page, title).click();
  await toEnd(page).click();
  await until('the end', () => isInView(page.getByText(text, { exact: true })));
  await badge(page, title).waitFor({ state: 'detached' });
  return page;
}

test('a reader of a log that is restored from a backup reads on at the same message', async () => {
  const group = await people.group('ann', ['bob'], 'Vault');
  await writeLines('ann', group, 0, 200);
  const bob = await openAtEnd('bob', 'Vault', 'line 199');
  await pause(() => stage.keepData());
  await scrollBack(bob, 4_000);
  await bob.getByTestId('banner').waitFor({ state: 'detached' });
  for (let i = 0; i < 30; i++) await people.write('ann', group, `lost ${i}`);
  await until('told below', async () => (await toEnd(bob).textContent()).includes('30 new'));
  const list = bob.getByTestId('messages');
  const place = await middleOf(list);
  // What is in view is not among the fifty messages that come first.
  assert.ok(Number(place.seq) < 150, place.seq);

  await pause(() => stage.restoreData());
  await until('nothing is new', async () => (await toEnd(bob).textContent()).includes('To the newest'));
  // Until the log is read again, what was there before stays before the eyes.
  await until('what was lost is gone', async () => {
    const lost = (await texts(bob)).filter((text) => text.startsWith('lost'));
    return lost.length === 0 || lost;
  });
  await until('the same message at the same place', async () => {
    const { top } = await placeOf(list, place.seq).catch(() => ({ top: Number.NaN }));
    return Math.abs(top - place.top) <= 2 || `${top} instead of ${place.top}`;
  });

  await people.write('ann', group, 'after the restore');
  await until('one is new', async () => (await toEnd(bob).textContent()).includes('1 new'));
  assert.ok(Math.abs((await placeOf(list, place.seq)).top - place.top) <= 2, 'still there');
  await toEnd(bob).click();
  await until('the newest', () => isInView(bob.getByText('after the restore', { exact: true })));
  await until('a line above it', async () => {
    const order = await list.evaluate((rows) =>
      [...rows.children].map((child) => child.querySelector('p')?.textContent ?? child.className),
    );
    return order.slice(-3).join() === 'line 199,new-line,after the restore' || order.slice(-3);
  });
  await badge(bob, 'Vault').waitFor({ state: 'detached' });
  await bob.context().close();
});

test('where the message that was read is gone, the nearest one is shown', async () => {
  const group = await people.group('cat', ['dan'], 'Attic');
  await writeLines('cat', group, 0, 40);
  await pause(() => stage.keepData());
  await writeLines('cat', group, 40, 200);
  const dan = await openAtEnd('dan', 'Attic', 'line 199');
  await scrollBack(dan, 1_500);
  await pause(() => stage.restoreData());
  await until('the last that is left', () => isInView(dan.getByText('line 39', { exact: true })));
  assert.equal((await texts(dan)).at(-1), 'line 39');
  // Of the log that is there now nothing was read yet by the account of the server: what is in view is from now on.
  await until('read', async () => {
    const { my_read_seq, head } = await people.conversation('dan', group);
    return my_read_seq === head || [my_read_seq, head];
  });
  await people.write('cat', group, 'and on');
  await until('shown', async () => (await texts(dan)).at(-1) === 'and on' || texts(dan));
  await dan.context().close();
});

test('what is above the first loaded message stays unread until it was in view or its reader says so', async () => {
  const group = await people.group('eli', ['fox'], 'Much');
  const fox = await stage.open('fox', { viewport: { width: 900, height: 600 } });
  await row(fox, 'Much').click();
  await people.write('eli', group, 'before');
  await until('read', hasTexts(fox, ['before']));
  await badge(fox, 'Much').waitFor({ state: 'detached' });
  let read = 0;
  await until('told to the server', async () => {
    const { my_read_seq, head } = await people.conversation('fox', group);
    read = my_read_seq;
    return read === head || [read, head];
  });
  await fox.goto('about:blank');
  for (let i = 0; i < 260; i++) await people.write('eli', group, `new ${i}`);
  // Short pages, so that a few hundred are more than are read on the way to the first new one.
  const short = async (route) =>
    route.continue({
      url: route
        .request()
        .url()
        .replace(/limit=\d+/, 'limit=10'),
    });
  await fox.route('**/messages?*', short);
  await fox.goto(`http://${stage.address}/`);
  await row(fox, 'Much').click();
  await fox.getByTestId('to-new').filter({ hasText: 'more new above' }).waitFor();
  await toEnd(fox).click();
  await until('the end', () => isInView(fox.getByText('new 259', { exact: true })));
  await people.write('eli', group, 'one more');
  await until('the newest', () => isInView(fox.getByText('one more', { exact: true })));
  // A mark would have been said before this answer was asked for.
  await fox.getByTestId('composer').fill('an answer');
  await fox.getByTestId('composer').press('Enter');
  await until('stored', async () => (await fox.getByTestId('mark').count()) === 1);
  const answered = await people.conversation('fox', group);
  assert.equal(answered.my_read_seq, read);
  // Counting stops somewhere.
  assert.ok(answered.unread >= 100, String(answered.unread));
  assert.equal(await badge(fox, 'Much').textContent(), '99+ unread');

  // From the first one on it is read as it comes into view.
  await fox.unroute('**/messages?*', short);
  await fox.getByTestId('to-new').click();
  await until('the first', () => isInView(fox.getByText('new 0', { exact: true })));
  await until('some are read', async () => {
    const { my_read_seq } = await people.conversation('fox', group);
    return (my_read_seq > read && my_read_seq < read + 60) || my_read_seq;
  });

  // Or all at once, where somebody says so.
  for (let i = 0; i < 40; i++) await people.write('eli', group, `later ${i}`);
  await fox.route('**/messages?*', short);
  await fox.reload();
  await fox.getByTestId('mark-read').click();
  await badge(fox, 'Much').waitFor({ state: 'detached' });
  await until('told to the server', async () => {
    const { unread } = await people.conversation('fox', group);
    return unread === 0 || unread;
  });
  await fox.context().close();
});
