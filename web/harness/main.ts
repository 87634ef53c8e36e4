// The harness as a program: starts clients and what they talk to, hurts them, and lets the checker judge.
// Exit code: 0 every promise was kept, 1 one was broken, 2 unknown.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster } from './cluster';
import { drained, misfolded, type Watched, waitingOf, writeHistory } from './ending';
import { Faults, linkOf } from './faults';
import { Journal } from './history';
import { newNonce } from './names';
import { type RunOptions, readOptions } from './options';
import { type Person, Tabs, token } from './people';
import { FaultProxy } from './proxy';
import { Random } from './random';
import { Ask } from './rest';
import { Server } from './server';
import { OWN_ADDRESS, type Servers } from './servers';

const PEOPLE = 5;
/** Of the first ones, so many have two tabs. */
const WITH_TWO_TABS = 3;
/** Without Web Locks it takes some time until a tab counts as dead: only a long run has time for it. */
const WITHOUT_LOCKS = 1;
const EVERY_MS = 400;
/** Longer than it takes until a tab counts as dead and another has what it left. */
const DRAIN_MS = 60_000;
const END_MS = 30_000;
const MIN_ACKNOWLEDGED = 150;
/** Messages with a wrong state that are told one by one. */
const MOST_TOLD = 10;

async function run(options: RunOptions): Promise<number> {
  const { seed } = options;
  const random = new Random(seed);
  const folder = mkdtempSync(join(tmpdir(), 'tidings-sdk-'));
  const nonce = newNonce();
  const name = `sdk.${nonce.toString(16)}`;
  const servers = await serversOf(options, folder);
  const upstreams = servers.addresses;
  const upstreamOf = (number: number) => upstreams[number % upstreams.length] as string;
  const links = new Map<string, string>();
  for (let number = 0; number < PEOPLE; number++) links.set(linkOf({ number }), upstreamOf(number));
  const proxy = await FaultProxy.start(join(options.binaries, 'fleet'), links, join(folder, 'proxy.log'));
  const people: Person[] = Array.from({ length: PEOPLE }, (_, number) => ({
    number,
    name: `${name}-${number}`,
    token: token(`${name}-${number}`, options.secret),
    url: `ws://${proxy.address(linkOf({ number }))}/ws`,
    gateway: number % upstreams.length,
    rooms: [],
    hasLocks: options.seconds === undefined || number >= WITHOUT_LOCKS,
    tabs: number < WITH_TWO_TABS ? 2 : 1,
  }));
  const ask = new Ask(servers.asked, OWN_ADDRESS);
  const watched = await meet(people, ask);
  const program = join(dirname(fileURLToPath(import.meta.url)), programOf(options));
  const tabs = new Tabs({ folder, program, nonce, people, everyMs: EVERY_MS, seed });
  for (const person of people) {
    for (let tab = 0; tab < person.tabs; tab++) tabs.open(person);
  }
  const journalPath = join(folder, 'faults.jsonl');
  const journal = new Journal(journalPath);
  console.error(`sdk harness: seed ${seed}, ${tabs.all.length} clients, in ${folder}`);

  const isOver = ending(options);
  const { faults: ofServers } = servers;
  await new Faults({ journal, people, tabs, proxy, ofServers, random }).hurt(
    options.seconds === undefined,
    isOver,
  );
  for (const tab of tabs.living) tabs.tell(tab, 'quiet');
  await proxy.set({ fault: 'pass' });
  const undone = await drained(tabs, people, ask, watched, DRAIN_MS);
  const isBusy = waitingOf(tabs, people) > 0;
  const doubts = [...undone, ...(await tabs.endAll(END_MS))];
  const logs = await Promise.all(watched.map(({ id, reader }) => ask.log(reader.token, id)));
  await proxy.stop();
  await servers.stop();
  journal.close();
  const history = options.history ?? join(folder, 'history.jsonl');
  const forNow = writeHistory(history, {
    name,
    tabs: tabs.all,
    people,
    watched,
    logs,
    faults: journalPath,
    gateways: upstreams,
    isDrained: undone.length === 0,
    isBusy,
    doubts,
  });
  const wrong = misfolded({ tabs: tabs.all, logs, isDrained: undone.length === 0 });
  const changes = logs
    .flat()
    .filter(({ kind }) => kind === 'edit' || kind === 'delete' || kind === 'reaction');
  console.log(`sdk harness: ${changes.length} changes; ${wrong.length} messages with a wrong state`);
  for (const one of wrong.slice(0, MOST_TOLD)) console.log(one);
  console.log(`sdk harness: ${forNow.send} messages and ${forNow.sync} syncs were refused for now`);
  const code = Math.max(check(options, history), wrong.length > 0 ? 1 : 0);
  if (code === 0) rmSync(folder, { recursive: true, force: true });
  else console.log(`sdk harness: seed ${seed}; what was written is kept in ${folder}`);
  return code;
}

/** What runs already, or a cluster or an all-in-one of its own. */
async function serversOf(options: RunOptions, folder: string): Promise<Servers> {
  const { binaries, secret, urls, isCluster, seconds } = options;
  if (isCluster) return Cluster.start(binaries, folder, secret, seconds === undefined);
  const [first] = urls.map((url) => new URL(url).host);
  if (!first) return Server.start(join(binaries, 'tidings'), folder, secret);
  const addresses = urls.map((url) => new URL(url).host);
  return { addresses, asked: first, faults: [], stop: async () => undefined };
}

/** Makes the conversations: one of all, some of few, and a direct one. */
async function meet(people: Person[], ask: Ask): Promise<Watched[]> {
  const watched: Watched[] = [];
  const group = async (members: Person[], title: string) => {
    const [first, ...rest] = members;
    if (!first) return;
    const id = await ask.group(
      first.token,
      rest.map((person) => person.name),
      title,
    );
    for (const person of members) person.rooms.push({ conv: watched.length, id });
    watched.push({ id, reader: first });
  };
  await group(people, 'all');
  await group(people.slice(0, 3), 'three');
  for (const [at, one] of people.entries()) {
    const other = people[(at + 1) % people.length];
    if (!other) continue;
    const id = await ask.direct(one.token, other.name);
    one.rooms.push({ conv: watched.length, id, to: other.name });
    other.rooms.push({ conv: watched.length, id, to: one.name });
    watched.push({ id, reader: one });
  }
  return watched;
}

function programOf({ planted }: RunOptions): string {
  const program = planted ? `tab-${planted}.js` : 'tab.js';
  if (!existsSync(join(dirname(fileURLToPath(import.meta.url)), program))) {
    throw new Error(`${program} is missing: npm run harness:build`);
  }
  return program;
}

/** Whether the time is over, or somebody has asked for the end. */
function ending({ seconds }: RunOptions): () => boolean {
  const deadline = seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + seconds * 1_000;
  let isAsked = false;
  process.once('SIGINT', () => {
    isAsked = true;
  });
  return () => isAsked || Date.now() > deadline;
}

/** What the checker says. */
function check({ binaries, urls }: RunOptions, history: string): number {
  const args = ['check', '--min-acknowledged', String(MIN_ACKNOWLEDGED), history];
  // What others do to servers that are not ours is in no line of the history, and may delay what is delivered.
  if (urls.length === 0) args.push('--delivery-window', '15s');
  const { status, stdout, stderr } = spawnSync(join(binaries, 'fleet'), args, { encoding: 'utf8' });
  console.log(stdout + stderr);
  return status ?? 2;
}

run(readOptions(process.argv.slice(2))).then(
  (code) => process.exit(code),
  (error) => {
    console.error(`sdk harness: ${error instanceof Error ? error.message : error}`);
    process.exit(2);
  },
);
