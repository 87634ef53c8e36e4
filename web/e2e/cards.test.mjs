// Cards of bots: what they say, and their actions, pressed by pointer and by keyboard.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { People } from '../bench/people.mjs';
import { Stage, until } from './stage.mjs';
import { fits, PHONE, pair as pairOf } from './talk.mjs';

const stage = new Stage();
let people;
before(async () => {
  await stage.begin();
  people = new People(stage.address);
});
after(() => stage.end());

const CARD = {
  fallback: 'Lunch? Yes or later',
  card: {
    title: 'Lunch?',
    text: 'At the usual place.',
    fields: [{ name: 'When', value: 'at noon' }],
    actions: [
      { id: 'yes', label: 'Yes', style: 'primary', value: 'y' },
      { id: 'later', label: 'Later' },
    ],
  },
};

/** Asks as the bot. */
async function ask(token, method, path, body) {
  const answer = await fetch(`http://${stage.address}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  const json = await answer.json();
  assert.ok(answer.ok, `${path}: ${JSON.stringify(json)}`);
  return json;
}

/** In a page: has the user of this address connected there, and keeps what is pressed. */
function listen(address) {
  const socket = new WebSocket(address);
  window.acts = [];
  return new Promise((resolve, reject) => {
    socket.onerror = reject;
    socket.onmessage = ({ data }) => {
      const { type, kind, content } = JSON.parse(data);
      if (type === 'welcome') resolve();
      if (type === 'entry' && kind === 'act') window.acts.push(content);
    };
  });
}

test('a card shows its parts, and its bot finds each press in its self log', async () => {
  const [ann, bob, group] = await pairOf(stage, people, ['ann', 'bob'], 'Cards', PHONE);
  await people.add('ann', group, ['lunch-bot']);
  const token = stage.token('lunch-bot', 'bot');
  await ann.evaluate(listen, `ws://${stage.address}/ws?token=${token}`);
  const card = { kind: 'card', content: CARD, client_id: randomUUID() };
  await ask(token, 'POST', `/conversations/${group}/messages`, card);
  const shown = (page) => page.getByTestId('card');
  await shown(ann).waitFor();
  const says = await shown(ann).textContent();
  for (const part of ['Lunch?', 'At the usual place.', 'When', 'at noon', 'Yes', 'Later'])
    assert.ok(says.includes(part), says);
  await fits(ann, 'a card on a phone');

  await shown(ann).getByRole('button', { name: 'Yes' }).tap();
  await until(
    'it is stored',
    async () => (await shown(ann).getByTestId('pressed').textContent()) === 'Yes: sent',
  );
  await shown(bob).getByRole('button', { name: 'Later' }).focus();
  await bob.keyboard.press('Enter');
  await until(
    'it is stored',
    async () => (await shown(bob).getByTestId('pressed').textContent()) === 'Later: sent',
  );

  const acts = () => ann.evaluate(() => window.acts.map((act) => [act.user, act.action_id, act.value]));
  await until('the bot has both', async () => (await acts()).length === 2);
  assert.deepEqual(await acts(), [
    ['ann', 'yes', 'y'],
    ['bob', 'later', undefined],
  ]);

  // Taken from the group, the bot is asked no more: the press is refused, in words.
  await people.remove('ann', group, 'lunch-bot');
  await shown(ann).getByRole('button', { name: 'Yes' }).tap();
  await until(
    'it is refused',
    async () => (await ann.locator('.problem').filter({ hasText: /./ }).count()) > 0,
  );
  for (const page of [ann, bob]) await page.context().close();
});
