// Who takes part: people with one or two tabs each, their conversations, and the processes of the tabs.

import { type ChildProcess, fork } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { end } from './children';
import { FileStore } from './file_store';
import { LockTable } from './locks';
import type { FromTab, Room, TabOptions, TabState, ToTab } from './tab_messages';

export interface Person {
  number: number;
  /** The user id. */
  name: string;
  token: string;
  /** Through the proxy. */
  url: string;
  gateway: number;
  rooms: Room[];
  hasLocks: boolean;
  /** How many at a time. */
  tabs: number;
}

/** A tab that runs, or has run. */
export interface Tab {
  dev: number;
  person: Person;
  child: ChildProcess;
  state?: TabState;
  isKilled: boolean;
  history: string;
}

/** A token as an identity provider makes it. */
export function token(user: string, secret: string, seconds = 6 * 3_600): string {
  const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const at = Math.floor(Date.now() / 1_000);
  const claims = { sub: user, name: user, iat: at, exp: at + seconds, jti: `${user}.${at}.${Math.random()}` };
  const text = `${base64({ alg: 'HS256', typ: 'JWT' })}.${base64(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export interface TabsOptions {
  folder: string;
  program: string;
  nonce: number;
  people: Person[];
  everyMs: number;
  seed: number;
}

export class Tabs {
  readonly all: Tab[] = [];
  private readonly locks = new LockTable();

  constructor(private readonly options: TabsOptions) {}

  get living(): Tab[] {
    return this.all.filter((tab) => !tab.isKilled);
  }

  /** How many operations storage holds that are neither answered nor refused for good, also of tabs that are dead. */
  kept(person: Person): number {
    const store = new FileStore(this.storageOf(person));
    const records = store.keys('').filter((key) => key.includes('/operation/'));
    // Gone since it was listed: answered.
    return records.filter((key) => {
      const text = store.getItem(key);
      return text !== null && !JSON.parse(text).refused;
    }).length;
  }

  private storageOf(person: Person): string {
    return join(this.options.folder, `storage-${person.number}`);
  }

  open(person: Person): Tab {
    const { folder, program, nonce, people, everyMs, seed } = this.options;
    const dev = this.all.length;
    const history = join(folder, `tab-${dev}.jsonl`);
    const options: TabOptions = {
      dev,
      nonce,
      user: { name: person.name, number: person.number },
      people: Object.fromEntries(people.map(({ name, number }) => [name, number])),
      token: person.token,
      url: person.url,
      gateway: person.gateway,
      rooms: person.rooms,
      storage: this.storageOf(person),
      hasLocks: person.hasLocks,
      history,
      everyMs,
      seed: seed * 1_000 + dev,
    };
    const child = fork(program, [], { env: { PATH: process.env.PATH, TAB: JSON.stringify(options) } });
    const tab: Tab = { dev, person, child, isKilled: false, history };
    const tell = (message: ToTab) => {
      if (child.connected) child.send(message, () => undefined);
    };
    child.on('message', (message: FromTab) => {
      if ('lock' in message) this.locks.hear(tab, message, tell);
      else tab.state = message;
    });
    child.on('error', () => undefined);
    child.once('exit', () => this.locks.free(tab));
    this.all.push(tab);
    return tab;
  }

  tell(tab: Tab, order: 'quiet' | 'burst' | 'large' | 'end'): void {
    if (tab.child.connected) tab.child.send({ order } satisfies ToTab, () => undefined);
  }

  /** As a browser that crashes: nothing is said, nothing is written. */
  async kill(tab: Tab): Promise<void> {
    tab.isKilled = true;
    await end(tab.child, 'SIGKILL');
  }

  /** Each in order; those that do not end in time are killed. */
  async endAll(patienceMs: number): Promise<string[]> {
    const complaints: string[] = [];
    const ending = this.living.map(async (tab) => {
      if (tab.child.exitCode !== null || tab.child.signalCode !== null) {
        complaints.push(`tab ${tab.dev} ended by itself with ${tab.child.exitCode ?? tab.child.signalCode}`);
        return;
      }
      const gone = new Promise((resolve) => tab.child.once('exit', resolve));
      const late = setTimeout(() => tab.child.kill('SIGKILL'), patienceMs);
      this.tell(tab, 'end');
      await gone;
      clearTimeout(late);
    });
    await Promise.all(ending);
    return complaints;
  }
}
