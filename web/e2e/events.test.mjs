// The chat page where no WebSocket comes through: behind a proxy that drops the upgrade.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, before, test } from 'node:test';
import { begin, hasTexts, readsAndAnswers, Stage, until, write } from './stage.mjs';

const stage = new Stage();
let proxy;

/** Passes requests and answers on as they come, and hangs up on clients that ask for a socket. */
class OldProxy {
  /** `METHOD /path` of all requests, without ids and queries. */
  asked = [];
  dropped = 0;
  isAway = false;
  #server = createServer((asked, answer) => this.#pass(asked, answer));
  #open = new Set();

  async begin() {
    this.#server.on('connection', (socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
    this.#server.on('upgrade', (_, socket) => {
      this.dropped++;
      socket.destroy();
    });
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.address = `127.0.0.1:${this.#server.address().port}`;
  }

  end() {
    this.#server.close();
    this.goAway();
  }

  /** Nothing gets through, and what was open breaks. */
  goAway() {
    this.isAway = true;
    for (const socket of this.#open) socket.destroy();
  }

  comeBack() {
    this.isAway = false;
  }

  #pass(asked, answer) {
    if (this.isAway) return asked.socket.destroy();
    const { method, url, headers } = asked;
    this.asked.push(`${method} ${url.split('?')[0].replace(/^\/sse\/.*/, '/sse/…')}`);
    const [host, port] = stage.address.split(':');
    const onward = request({ host, port, method, path: url, headers }, (answered) => {
      answer.writeHead(answered.statusCode, answered.headers);
      answered.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  }
}

before(async () => {
  await stage.begin();
  proxy = new OldProxy();
  await proxy.begin();
});

after(async () => {
  proxy?.end();
  await stage.end();
});

test('two people chat without any WebSocket, see each other write, read and come and go', async () => {
  const ann = await stage.open('ann', { address: proxy.address });
  const bob = await stage.open('bob', { address: proxy.address });
  assert.ok(proxy.dropped >= 4, `each page tries two sockets first: ${proxy.dropped}`);
  assert.equal(proxy.asked.filter((what) => what === 'GET /sse').length, 2);

  await begin(ann, ['bob']);
  await write(ann, 'hello bob');
  await bob.getByTestId('conversation').click();
  await until('the message is there', hasTexts(bob, ['hello bob']));
  await readsAndAnswers(bob, ann);
  const posts = proxy.asked.filter((what) => what === 'POST /sse/…').length;
  assert.ok(posts >= 4, `all of it went up by posts: ${posts}`);

  // While she is elsewhere the conversation goes on.
  const dot = bob.getByTestId('conversation').getByTestId('dot');
  await until('ann is online', async () => (await dot.getAttribute('aria-label')) === 'online');
  await ann.goto('about:blank');
  await until('ann is offline', async () => (await dot.getAttribute('aria-label')) === 'offline');
  await write(bob, 'are you there?');
  await until('stored', async () => (await bob.getByTestId('mark').count()) === 2);
  await ann.goto(`http://${proxy.address}/`);
  await ann.getByTestId('conversation').click();
  const all = ['hello bob', 'hello ann', 'are you there?'];
  await until('she has what she missed', hasTexts(ann, all));
  await until('ann is online again', async () => (await dot.getAttribute('aria-label')) === 'online');
  await ann.getByTestId('banner').waitFor({ state: 'detached' });
  await write(ann, 'I am');
  await until('and goes on', hasTexts(bob, [...all, 'I am']));
  for (const page of [ann, bob]) await page.context().close();
});

test('nothing is lost or doubled when streams break, and sockets and streams hear each other', async () => {
  const kim = await stage.open('kim', { address: proxy.address });
  const lou = await stage.open('lou');
  await begin(kim, ['lou']);
  await write(kim, 'before');
  await lou.getByTestId('conversation').click();
  await until('before', hasTexts(lou, ['before']));
  proxy.goAway();
  await kim.getByTestId('banner').waitFor();
  await write(lou, 'from outside');
  await write(kim, 'from inside');
  await until('stored', async () => (await lou.getByTestId('mark').count()) === 1);
  proxy.comeBack();
  await kim.getByTestId('banner').waitFor({ state: 'detached', timeout: 45_000 });
  const all = ['before', 'from outside', 'from inside'];
  for (const page of [kim, lou]) await until('all three, once', hasTexts(page, all));
  for (const page of [kim, lou]) await page.context().close();
});
