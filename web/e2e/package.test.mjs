// The package as an app developer gets it: packed, installed into an empty project, compiled against, and its bot run
// against the real all-in-one binary.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { nodeOf } from './nodes.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const BINARY = process.env.TIDINGS_BIN ?? here('../../target/debug/tidings');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const LISTENING = /^listening http=(\S+)/;
const PATIENCE_MS = 20_000;

let project;
let server;
let address;
let page;
const folder = mkdtempSync(join(tmpdir(), 'tidings-package-'));
const data = join(folder, 'data');

before(async () => {
  project = install();
  page = await serveProject();
  await serve('127.0.0.1:0');
});

async function serve(listen) {
  const args = ['serve', '--listen', listen, '--management-listen', '127.0.0.1:0', '--data', data];
  const origins = JSON.stringify([`http://127.0.0.1:${page.address().port}`]);
  const env = { ...process.env, TIDINGS__ALLOWED_ORIGINS: origins };
  server = spawn(BINARY, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  address = await lineOf(server, LISTENING);
}

after(async () => {
  page?.close();
  if (server) await end(server);
  rmSync(folder, { recursive: true, force: true });
});

/** An empty project with the packed package in it, and `ws`, which it may use. Nothing comes from the network. */
function install() {
  const path = join(folder, 'project');
  mkdirSync(path);
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: here('../sdk'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // What the build prints comes first.
  const [{ filename }] = JSON.parse(packed.slice(packed.search(/^\[$/m)));
  writeFileSync(join(path, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }');
  const ws = execFileSync(
    'npm',
    ['pack', '--json', '--pack-destination', folder, here('../node_modules/ws')],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const packages = [join(folder, filename), join(folder, JSON.parse(ws)[0].filename)];
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', ...packages], {
    cwd: path,
    stdio: 'ignore',
  });
  cpSync(here('../sdk/examples'), path, { recursive: true });
  return path;
}

/** A page of another origin than the server, with the widget. */
async function serveProject() {
  const modules = { '@tidings/client': '/node_modules/@tidings/client/dist/index.js' };
  const html = `<!doctype html><title>Shop</title><div id="chat"></div>
    <script type="importmap">${JSON.stringify({ imports: modules })}</script>
    <script type="module">
      import { chatWidget } from '/widget.js';
      const { url, token, to } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
      chatWidget(document.querySelector('#chat'), { url, token, to });
    </script>`;
  const { readFile } = await import('node:fs/promises');
  const pages = createServer(async ({ url }, answer) => {
    if (url === '/') return answer.setHeader('content-type', 'text/html').end(html);
    const file = await readFile(join(project, url)).catch(() => undefined);
    if (!file) return answer.writeHead(404).end();
    answer.setHeader('content-type', 'text/javascript').end(file);
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  return pages;
}

/** The first group of the first line that matches. */
async function lineOf(child, pattern) {
  for await (const line of createInterface({ input: child.stdout })) {
    const match = pattern.exec(line);
    if (match) return match[1];
  }
  throw new Error(`no line ${pattern}`);
}

async function end(child, signal = 'SIGTERM') {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}

function tokenOf(user) {
  return execFileSync(BINARY, ['token', '--user', user, '--data', data], { encoding: 'utf8' }).trim();
}

async function rest(user, method, path, body) {
  const headers = { authorization: `Bearer ${tokenOf(user)}`, 'content-type': 'application/json' };
  const request = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) };
  const answer = await fetch(`http://${address}/api/v1${path}`, request);
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

/** What stands in a conversation, once `isThere` says that all has come. */
async function textsOf(user, conversation, isThere) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const { entries } = await rest(user, 'GET', `/conversations/${conversation}/messages`);
    const texts = entries.filter(({ kind }) => kind === 'text').map(({ content }) => content.text);
    if (isThere(texts) || Date.now() > deadline) return texts;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function startBot(name, node) {
  const own = { TIDINGS_URL: `ws://${address}/ws`, TIDINGS_TOKEN: tokenOf(name), BOT_FOLDER: name };
  const bot = spawn(node, ['bot.mjs'], {
    cwd: project,
    env: { ...process.env, ...own },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await lineOf(bot, /^(\S+) listens/);
  return bot;
}

const SOURCE = `
import { Client, CloseError, memoryStorage, type Entry, type Options, type State } from '@tidings/client';
import { indexedDbStorage } from '@tidings/client/indexeddb';

const options: Options = { url: 'wss://chat.example.org/ws', token: 'a.b.c', storage: memoryStorage() };
export const client = new Client(options);
export const stored: Promise<number> = client.send({ to: 'bob', content: { text: 'x' } }).stored.then((sent) => sent.seq);
client.on('entry', (entry: Entry) => entry.seq);
client.on('state', (state: State, { error }) => state === 'offline' && error instanceof CloseError);
export const kept = indexedDbStorage('app');
// @ts-expect-error: there is no such event
client.on('nothing', () => undefined);
`;

/** Says what the compiler finds wrong with a program that uses the package. */
function compile(options) {
  writeFileSync(join(project, 'app.ts'), SOURCE);
  const config = {
    compilerOptions: { strict: true, noEmit: true, types: [], ...options },
    files: ['app.ts'],
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  return spawnSync(process.execPath, [compiler, '-p', project], { encoding: 'utf8' }).stdout;
}

test('it compiles under nodenext, its own declarations checked', () => {
  const lib = ['ES2023', 'DOM', 'DOM.Iterable'];
  assert.equal(compile({ module: 'nodenext', moduleResolution: 'nodenext', target: 'ES2023', lib }), '');
});

test('it compiles under bundler, its own declarations checked', () => {
  const lib = ['ES2023', 'DOM', 'DOM.Iterable'];
  assert.equal(compile({ module: 'esnext', moduleResolution: 'bundler', target: 'ES2023', lib }), '');
});

test('it compiles in a project without the types of browsers', () => {
  const target = { module: 'nodenext', moduleResolution: 'nodenext', target: 'ES2023', lib: ['ES2023'] };
  assert.equal(compile({ ...target, skipLibCheck: true }), '');
});

for (const major of [20, 24]) {
  test(`in Node ${major} the bot answers, also what it was told while it was away, and nothing twice`, async (t) => {
    const node = nodeOf(major);
    if (!node) return t.skip(`Node ${major} cannot be had here`);
    const [who, name] = [`ann-${major}`, `bot-${major}`];
    let bot = await startBot(name, node);
    const { id } = await rest(who, 'POST', '/conversations', { kind: 'direct', members: [name] });
    const say = (text) => rest(who, 'POST', `/conversations/${id}/messages`, { content: { text } });
    await say('one');
    const first = ['one', 'you said: one'];
    assert.deepEqual(await textsOf(who, id, (texts) => texts.length >= 2), first);
    await end(bot, 'SIGKILL');
    await say('two');
    bot = await startBot(name, node);
    const expected = [...first, 'two', 'you said: two'];
    assert.deepEqual(await textsOf(who, id, (texts) => texts.length >= 4), expected);
    // A further answer is behind everything that it had to answer before.
    await say('three');
    const all = await textsOf(who, id, (texts) => texts.includes('you said: three'));
    assert.deepEqual(all, [...expected, 'three', 'you said: three']);
    await end(bot);
  });
}

/** Connects by a socket of `ws`, by the one that is built in, or by event streams; says each state and what is stored. */
const PROGRAM = `
import { Client } from '@tidings/client';
const [url, token, way] = process.argv.slice(2);
const WebSocket = way === 'ws' ? (await import('ws')).default : undefined;
if (way !== 'ws' && (way === 'builtin') !== (globalThis.WebSocket !== undefined)) throw new Error(way);
const client = new Client({ url, token, WebSocket });
client.on('state', (state, { error }) => console.log('is', state, error?.code ?? ''));
client.connect();
for (const text of ['one', 'two']) {
  await client.send({ to: 'somebody', content: { text } }).stored;
  console.log('stored', text);
  await new Promise((resolve) => process.stdin.once('data', resolve));
}
client.disconnect();
process.stdin.destroy();
`;

for (const [major, way] of [
  [20, 'ws'],
  [20, 'streams'],
  [24, 'ws'],
  [24, 'builtin'],
]) {
  test(`in Node ${major} a client with ${way} comes back after refused attempts, and leaves nothing behind`, async (t) => {
    const node = nodeOf(major);
    if (!node) return t.skip(`Node ${major} cannot be had here`);
    writeFileSync(join(project, 'program.mjs'), PROGRAM);
    const args = ['program.mjs', `ws://${address}/ws`, tokenOf(`dev-${major}-${way}`), way];
    const program = spawn(node, args, { cwd: project, stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => program.once('exit', resolve));
    const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
    const next = async (pattern) => {
      for (;;) {
        const { value, done } = await lines.next();
        assert.ok(!done, `it ended before ${pattern}`);
        if (pattern.test(value)) return;
      }
    };
    await next(/^stored one/);
    const before = address;
    await end(server);
    // The first one is the end of the connection.
    for (let attempt = 0; attempt < 3; attempt++) await next(/^is offline/);
    await serve(before);
    program.stdin.write('go on\n');
    await next(/^stored two/);
    program.stdin.write('end\n');
    assert.equal(await ended, 0);
  });
}

test('the widget shows what is written on both sides', async () => {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu'],
  });
  try {
    const tab = await browser.newPage();
    const told = new URLSearchParams({ url: `ws://${address}/ws`, token: tokenOf('guest'), to: 'support' });
    await tab.goto(`http://127.0.0.1:${page.address().port}/#${told}`);
    await tab.getByLabel('Message').fill('is it in stock?');
    await tab.getByRole('button', { name: 'Send' }).click();
    await tab.getByText('guest: is it in stock?', { exact: false }).waitFor();
    await tab.getByText('(sending)').waitFor({ state: 'detached' });
    await rest('support', 'POST', '/messages', { to: 'guest', content: { text: 'it is' } });
    await tab.getByText('support: it is').waitFor();
    assert.equal(await tab.getByRole('listitem').count(), 2);
  } finally {
    await browser.close();
  }
});
