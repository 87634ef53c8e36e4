// The chat page in a real browser against the real all-in-one binary.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const BINARY = process.env.TIDINGS_BIN ?? new URL('../../target/debug/tidings', import.meta.url).pathname;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let browser;
let server;
let folder;

async function serve(listen) {
  const child = spawn(
    BINARY,
    ['serve', '--listen', listen, '--management-listen', '127.0.0.1:0', '--data', join(folder, 'data')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  for await (const line of createInterface({ input: child.stdout })) {
    const match = /^listening http=(\S+)/.exec(line);
    if (match) return { child, address: match[1] };
  }
  throw new Error('the server did not start');
}

async function stop({ child }, signal = 'SIGTERM') {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidings-page-'));
  server = await serve('127.0.0.1:0');
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
});

after(async () => {
  await browser?.close();
  if (server) await stop(server);
  rmSync(folder, { recursive: true, force: true });
});

async function open(name, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(`http://${server.address}/`);
  await page.getByTestId('name').fill(name);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByTestId('me').waitFor();
  await page.getByTestId('banner').waitFor({ state: 'detached' });
  return page;
}

async function begin(page, users, title) {
  await page.getByTestId('new').click();
  const field = page.getByTestId('with');
  for (const user of users.slice(0, -1)) {
    await field.fill(user);
    await field.press(',');
  }
  await field.fill(users.at(-1));
  if (title) await page.getByTestId('title').fill(title);
  await page.getByTestId('begin').click();
  await page.getByTestId('composer').waitFor();
}

async function write(page, text) {
  await page.getByTestId('composer').fill(text);
  await page.getByTestId('composer').press('Enter');
}

const texts = (page) => page.getByTestId('message').locator('p').allTextContents();

async function until(what, ask) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await ask();
    if (answer === true) return;
    if (Date.now() > deadline) assert.fail(`${what}; last seen: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const hasTexts = (page, expected) => async () => {
  const seen = await texts(page);
  return JSON.stringify(seen) === JSON.stringify(expected) || seen;
};

test('two people chat, see each other write, read and come and go', async () => {
  const ann = await open('ann');
  const bob = await open('bob');
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
  await until('read', async () => {
    const mark = await ann.getByTestId('mark').textContent();
    return mark === 'read' || mark;
  });

  await bob.getByTestId('composer').pressSequentially('hel');
  await until('ann sees bob writing', async () => {
    const typing = await ann.getByTestId('typing').textContent();
    return typing.includes('bob is writing') || typing;
  });
  await write(bob, 'hello ann');
  await until('both messages, in order', hasTexts(ann, ['hello bob', 'hello ann']));

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
  const pages = [await open('gus'), await open('hal'), await open('ida')];
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
  const ann = await open('kim');
  const bob = await open('lou');
  await begin(ann, ['lou']);
  await write(ann, 'before');
  await bob.getByTestId('conversation').click();
  await until('before', hasTexts(bob, ['before']));
  const { address } = server;
  await stop(server, 'SIGKILL');
  await ann.getByTestId('banner').waitFor();
  await write(ann, 'meanwhile');
  await write(bob, 'me too');
  server = await serve(address);
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
  const phone = await open('moe', { viewport: { width: 390, height: 780 } });
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
  const page = await open('pam');
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
  const page = await open('rex');
  await begin(page, ['sue']);
  const nasty = '<img src=x onerror="document.title=1"> https://example.org/a?b=c';
  await write(page, nasty);
  await until('shown as written', hasTexts(page, [nasty]));
  assert.equal(await page.locator('.message img').count(), 0);
  assert.equal(await page.locator('.message a').getAttribute('rel'), 'noopener noreferrer');
  await page.context().close();
});
