// What is done to the clients and to the server while they talk, by a schedule that a seed repeats. Each fault is
// a line of the history, with what shows that it happened.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Journal } from './history';
import type { Person, Tab, Tabs } from './people';
import type { FaultProxy, Fault as Toxic } from './proxy';
import type { Random } from './random';
import type { ServerFault } from './servers';

export interface Scene {
  journal: Journal;
  people: Person[];
  tabs: Tabs;
  proxy: FaultProxy;
  /** What is done to the servers, where they are ours. */
  ofServers: ServerFault[];
  random: Random;
}

interface Fault {
  name: string;
  /** Only for people with several tabs, which share one storage. */
  isForTabs?: boolean;
  target: (person: Person) => string;
  /** Does it from its start to its end, and answers what shows it. */
  perform: (scene: Scene, person: Person) => Promise<string>;
}

/** The link of the proxy that all tabs of a person use. */
export function linkOf(person: { number: number }): string {
  return `person-${person.number}`;
}

/** As long as the link of a person is like this. */
function network(name: string, toxic: Toxic, ms: number): Fault {
  return {
    name,
    target: linkOf,
    async perform({ proxy }, person) {
      const before = await proxy.set(toxic, linkOf(person));
      await sleep(ms);
      const after = await proxy.set({ fault: 'pass' }, linkOf(person));
      return `${after.held - before.held} chunks held, ${after.broken - before.broken} connections broken, ${after.open} open`;
    },
  };
}

/** Once. */
function once(name: string, toxic: Toxic, ms: number): Fault {
  return {
    name,
    target: linkOf,
    async perform({ proxy }, person) {
      const before = await proxy.set({ fault: 'seen' }, linkOf(person));
      await proxy.set(toxic, linkOf(person));
      await sleep(ms);
      const after = await proxy.set({ fault: 'seen' }, linkOf(person));
      return `${after.broken - before.broken} connections broken, ${after.accepted - before.accepted} new ones`;
    },
  };
}

/** Each new connection asks for a sync, more often than the server allows. */
const flapping: Fault = {
  name: 'flapping',
  target: linkOf,
  async perform({ proxy }, person) {
    const before = await proxy.set({ fault: 'seen' }, linkOf(person));
    for (let time = 0; time < 4; time++) {
      await proxy.set({ fault: 'cut' }, linkOf(person));
      await sleep(800);
    }
    const after = await proxy.set({ fault: 'seen' }, linkOf(person));
    return `${after.broken - before.broken} connections broken, ${after.accepted - before.accepted} new ones`;
  },
};

/** Lets a tab write until answers are behind; a tab that has not begun yet is not waited for. */
async function unanswered(tabs: Tabs, tab: Tab): Promise<{ pending: number }> {
  tabs.tell(tab, 'burst');
  for (let look = 0; look < 40; look++) {
    await sleep(50);
    if ((tab.state?.pending ?? 0) > 5) break;
  }
  return { pending: tab.state?.pending ?? 0 };
}

/** One tab is killed; another is opened on the same storage, which may hold what the first has left. */
const killTab: Fault = {
  name: 'killed tab',
  isForTabs: true,
  target: (person) => `client ${person.name}`,
  async perform({ tabs, random, journal }, person) {
    const tab = random.pick(tabs.living.filter((one) => one.person === person));
    const { pending } = await unanswered(tabs, tab);
    await sleep(random.between(0, 200));
    await tabs.kill(tab);
    journal.write({ e: 'end', dev: tab.dev, reached: true });
    await sleep(random.between(0, 1_000));
    const next = tabs.open(person);
    return `client ${tab.dev} was killed with ${pending} unanswered, client ${next.dev} follows`;
  },
};

/** All that a person writes at once, in the middle of a short absence. */
const writtenOffline: Fault = {
  name: 'written offline',
  target: linkOf,
  async perform({ proxy, tabs }, person) {
    const before = await proxy.set({ fault: 'refuse' }, linkOf(person));
    const mine = tabs.living.filter((tab) => tab.person === person);
    for (const tab of mine) tabs.tell(tab, 'burst');
    await sleep(1_500);
    const after = await proxy.set({ fault: 'pass' }, linkOf(person));
    return `${after.broken - before.broken} connections broken, ${mine.length} tabs wrote`;
  },
};

function told(name: string, order: 'burst' | 'large', ms: number): Fault {
  return {
    name,
    target: (person) => `client ${person.name}`,
    async perform({ tabs, random }, person) {
      const tab = random.pick(tabs.living.filter((one) => one.person === person));
      const before = tab.state?.written ?? 0;
      tabs.tell(tab, order);
      await sleep(ms);
      return `client ${tab.dev} wrote ${(tab.state?.written ?? 0) - before} messages`;
    },
  };
}

/** A process that stands still looks like a tab in the background: alive, and not heard of. Without Web Locks it counts
 * as dead after a while, and another tab sends what it had written. */
const frozenTab: Fault = {
  name: 'frozen tab',
  target: (person) => `client ${person.name}`,
  async perform({ tabs, random }, person) {
    const tab = random.pick(tabs.living.filter((one) => one.person === person));
    await unanswered(tabs, tab);
    tab.child.kill('SIGSTOP');
    await sleep(26_000);
    tab.child.kill('SIGCONT');
    return `client ${tab.dev} stood still for 26 s`;
  },
};

const SHORT: Fault[] = [
  writtenOffline,
  network('slow', { fault: 'delay', ms: 150, jitter_ms: 150 }, 2_500),
  network('narrow', { fault: 'throttle', bytes_per_second: 6_000 }, 2_500),
  once('cut', { fault: 'cut' }, 600),
  once('truncated down', { fault: 'truncate', way: 'down', after_bytes: 700 }, 1_200),
  once('truncated up', { fault: 'truncate', way: 'up', after_bytes: 300 }, 1_200),
  flapping,
  flapping,
  killTab,
  killTab,
  told('burst', 'burst', 1_500),
  told('too large', 'large', 1_500),
];
const LONG: Fault[] = [
  ...SHORT,
  writtenOffline,
  killTab,
  network('half open', { fault: 'half_open' }, 35_000),
  network('offline for long', { fault: 'refuse' }, 20_000),
  frozenTab,
];

const REST_MS = 300;

export class Faults {
  /** What two faults did to one person at a time would show neither. */
  private readonly busy = new Set<Person>();

  constructor(private readonly scene: Scene) {}

  /** Every fault once, or again and again until `isOver`. Those of the servers go on beside those of people. */
  async hurt(isShort: boolean, isOver: () => boolean): Promise<void> {
    const servers = this.scene.ofServers;
    const ofPeople = (fault: Fault) => this.toSomebody(fault);
    const ofServers = (fault: ServerFault) => this.perform(fault);
    if (isShort) {
      await Promise.all([this.inTurn(SHORT, ofPeople, REST_MS), this.inTurn(servers, ofServers, 4_000)]);
      return;
    }
    const rounds = async <One>(faults: One[], act: (fault: One) => Promise<void>, restMs: number) => {
      while (faults.length > 0 && !isOver()) await this.inTurn(faults, act, restMs, isOver);
    };
    await Promise.all([
      rounds(LONG, ofPeople, REST_MS),
      rounds(SHORT, ofPeople, REST_MS * 3),
      rounds(servers, ofServers, 12_000),
    ]);
  }

  private async inTurn<One>(
    faults: One[],
    act: (fault: One) => Promise<void>,
    restMs: number,
    isOver = () => false,
  ): Promise<void> {
    for (const fault of this.scene.random.shuffled(faults)) {
      await sleep(restMs);
      if (isOver()) return;
      await act(fault);
    }
  }

  private async toSomebody(fault: Fault): Promise<void> {
    const { people, random } = this.scene;
    const meant = fault.isForTabs ? people.filter((person) => person.tabs > 1) : people;
    const free = meant.filter((person) => !this.busy.has(person));
    const person = random.pick(free.length > 0 ? free : meant);
    this.busy.add(person);
    const { name } = fault;
    const perform = () => fault.perform(this.scene, person);
    await this.perform({ name, target: fault.target(person), perform });
    this.busy.delete(person);
  }

  private async perform({ name, target, perform }: ServerFault): Promise<void> {
    const { journal } = this.scene;
    journal.write({ e: 'nemesis', fault: name, target, act: 'start' });
    const evidence = await perform();
    journal.write({ e: 'nemesis', fault: name, target, act: 'stop', evidence });
  }
}
