import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { directId } from './direct';
import { type Faults, randomOf, Server, Tab } from './simulation';
import { memoryStorage } from './storage';
// Loaded before time stands still.
import './without_locks';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.clearAllTimers();
  vi.useRealTimers();
});

const FRIENDS = ['bob', 'cleo', 'dave'];
const NEVER: Faults = { refuse: 0, doubt: 0, swallow: 0, breakAfter: 0 };

/** Each text that a tab wrote, once, and in its order among those of its tab. */
function judge(server: Server, tabs: Tab[]) {
  for (const to of FRIENDS) {
    const log = server.logs.get(directId('ann', to)) ?? [];
    for (const tab of tabs) {
      const written = tab.written.filter((one) => one.to === to).map((one) => one.text);
      const good = written.filter((text) => !/(bad|huge)$/.test(text));
      expect(log.filter((text) => text.startsWith(`${tab.name}:`))).toEqual(good);
    }
  }
}

function someText(random: () => number, name: string, n: number, hasPoison: boolean): string {
  const kind = random();
  const end = hasPoison && kind < 0.04 ? ' bad' : hasPoison && kind < 0.06 ? ' huge' : '';
  return `${name}:${n}${' '.repeat(n % 2)}${end}`;
}

async function live(seed: number, faults: Faults, hasTabs: boolean, hasPoison: boolean) {
  const random = randomOf(seed);
  const server = new Server(random, faults);
  const storage = memoryStorage();
  const tabs: Tab[] = [];
  const open = () => tabs.push(new Tab(`t${tabs.length}`, server, storage));
  open();
  if (hasTabs) open();
  for (let n = 0; n < 80; n++) {
    const living = tabs.filter((tab) => !tab.isDead);
    const tab = living[Math.floor(random() * living.length)];
    const to = FRIENDS[Math.floor(random() * FRIENDS.length)] ?? 'bob';
    const isPin = random() < 0.25;
    if (tab && !tab.isAsleep) {
      if (isPin) tab.pin(to, n);
      else tab.write(to, someText(random, tab.name, n, hasPoison));
    }
    await vi.advanceTimersByTimeAsync(random() < 0.1 ? random() * 3_000 : random() * 60);
    server.breakSome(faults.breakAfter / 4);
    if (!hasTabs || !tab || random() > 0.08) continue;
    const fate = random();
    if (fate < 0.4) {
      tab.kill();
      open();
    } else if (fate < 0.6) {
      tab.client.disconnect();
      tab.isDead = true;
      open();
    } else if (fate < 0.8) tab.isAsleep = true;
    else for (const one of tabs) one.isAsleep = false;
  }
  for (const one of tabs) one.isAsleep = false;
  // From now on nothing fails, until everything had the time to arrive.
  Object.assign(server.faults, NEVER);
  const isDone = () => tabs.every((tab) => tab.isDead || tab.client.pending().length === 0);
  for (let time = 0; time < 300 && (time < 90 || !isDone()); time++) await vi.advanceTimersByTimeAsync(1_000);
  for (const tab of tabs) tab.client.disconnect();
  return { server, tabs, storage };
}

const seeds = Array.from({ length: 12 }, (_, seed) => seed + 1);
const faults = (): Faults => ({ refuse: 0.15, doubt: 0.1, swallow: 0.03, breakAfter: 0.05 });

test.each(seeds)(
  'one tab stores all once and in order, however the server answers (seed %i)',
  async (seed) => {
    const { server, tabs, storage } = await live(seed, faults(), false, false);
    judge(server, tabs);
    expect(await storage.keys('tidings/ann/operation/')).toEqual([]);
  },
);

test.each(seeds)('frames that nobody can take stop no other (seed %i)', async (seed) => {
  const { server, tabs } = await live(seed, faults(), false, true);
  judge(server, tabs);
  const poison = tabs[0]?.written.map((one) => one.text).filter((text) => /(bad|huge)$/.test(text)) ?? [];
  const isPin = (text: string) => text.includes(':pin ');
  expect(tabs[0]?.refused.toSorted()).toEqual(poison.filter((text) => !isPin(text)).toSorted());
  expect(tabs[0]?.unpinned).toBe(poison.filter(isPin).length);
});

test.each(seeds)(
  'tabs that die, sleep and share one storage store all once and in order (seed %i)',
  async (seed) => {
    const { server, tabs, storage } = await live(seed, faults(), true, false);
    judge(server, tabs);
    expect(await storage.keys('tidings/ann/operation/')).toEqual([]);
  },
);
