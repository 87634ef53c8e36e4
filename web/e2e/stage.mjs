// What the browser tests share: the real all-in-one binary, a real browser, and the page as people use it.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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

/** A server with data of its own, and a browser. */
export class Stage {
  #browser;
  #folder;
  #child;
  #env;
  /** Where the server listens. */
  address;

  /** `env` is the server's configuration, as variables. */
  constructor(env = {}) {
    this.#env = env;
  }

  async begin() {
    this.#folder = mkdtempSync(join(tmpdir(), 'tidings-page-'));
    await this.serve('127.0.0.1:0');
    this.#browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  }

  async end() {
    await this.#browser?.close();
    if (this.#child) await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async serve(listen) {
    const data = join(this.#folder, 'data');
    this.#child = spawn(
      BINARY,
      ['serve', '--listen', listen, '--management-listen', '127.0.0.1:0', '--data', data],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...this.#env } },
    );
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const match = /^listening http=(\S+)/.exec(line);
      if (match) {
        this.address = match[1];
        return;
      }
    }
    throw new Error('the server did not start');
  }

  /** A browser profile of its own, with nobody signed in. */
  profile(options = {}) {
    return this.#browser.newContext(options);
  }

  /** A token of this server, with a role. */
  token(user, role) {
    const data = join(this.#folder, 'data');
    return execFileSync(BINARY, ['token', '--data', data, '--user', user, '--role', role], {
      encoding: 'utf8',
    }).trim();
  }

  async stop(signal = 'SIGTERM') {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill(signal);
    await ended;
  }

  /** A backup of the data of a stopped server. */
  keepData() {
    cpSync(join(this.#folder, 'data'), join(this.#folder, 'backup'), { recursive: true });
  }

  /** Puts the backup in the place of the data of a stopped server. */
  restoreData() {
    rmSync(join(this.#folder, 'data'), { recursive: true });
    cpSync(join(this.#folder, 'backup'), join(this.#folder, 'data'), { recursive: true });
  }

  /** Bytes that come over the network for the page of somebody who is not signed in, heads included. */
  async sizeOfFirstLoad() {
    const context = await this.#browser.newContext();
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    await network.send('Network.enable');
    let bytes = 0;
    network.on('Network.loadingFinished', ({ encodedDataLength }) => {
      bytes += encodedDataLength;
    });
    await page.goto(`http://${this.address}/`, { waitUntil: 'networkidle' });
    await page.getByTestId('name').waitFor();
    await context.close();
    return bytes;
  }

  /** Somebody in a browser profile of their own who has signed in and is connected, at the server or where
   * `address` leads to it. `path` is where on the page they begin; `onRequest` hears the path of each request.
   * With `until` it is waited for that instead of the connection. */
  async open(name, { address = this.address, path = '/', onRequest, until, ...options } = {}) {
    const context = await this.#browser.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    if (onRequest) page.on('request', (request) => onRequest(new URL(request.url()).pathname));
    await page.goto(`http://${address}${path}`);
    await page.getByTestId('name').fill(name);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByTestId('me').waitFor();
    if (until) await page.getByTestId(until).waitFor();
    else await page.getByTestId('banner').waitFor({ state: 'detached' });
    return page;
  }
}

export async function begin(page, users, title) {
  await page.getByTestId('new').click();
  const field = page.getByTestId('with');
  for (const user of users.slice(0, -1)) {
    await field.fill(user);
    await field.press(',');
  }
  await field.fill(users.at(-1));
  if (title) await page.getByTestId('title').fill(title);
  await page.getByTestId('begin').click();
  // The form closes once the conversation is open; until then the composer may be that of another one.
  await page.getByTestId('begin').waitFor({ state: 'detached' });
  await page.getByTestId('composer').waitFor();
}

export async function write(page, text) {
  await page.getByTestId('composer').fill(text);
  await page.getByTestId('composer').press('Enter');
}

export const texts = (page) => page.getByTestId('message').locator('p').allTextContents();

export async function until(what, ask) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await ask();
    if (answer === true) return;
    if (Date.now() > deadline) assert.fail(`${what}; last seen: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export const hasTexts = (page, expected) => async () => {
  const seen = await texts(page);
  return JSON.stringify(seen) === JSON.stringify(expected) || seen;
};

/** Whether something of a message is in view. */
export async function isInView(locator) {
  if ((await locator.count()) === 0) return false;
  return locator.first().evaluate((element) => {
    const list = element.closest('.messages').getBoundingClientRect();
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > list.top && top < list.bottom;
  });
}

/** The message in the middle of the view, and where it is. */
export const middleOf = (list) =>
  list.evaluate((element) => {
    const { top, height } = element.getBoundingClientRect();
    const at = [...element.querySelectorAll('[data-seq]')].find(
      (message) => message.getBoundingClientRect().bottom > top + height / 2,
    );
    return { seq: at.dataset.seq, top: Math.round(at.getBoundingClientRect().top) };
  });

/** Where a message is now. */
export const placeOf = (list, seq) =>
  list.evaluate((element, wanted) => {
    const at = element.querySelector(`[data-seq="${wanted}"]`);
    return { seq: wanted, top: Math.round(at.getBoundingClientRect().top) };
  }, seq);

/** Bob has ann's "hello bob" before him: she sees that he has read it, that he writes, and his answer. */
export async function readsAndAnswers(bob, ann) {
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
}
