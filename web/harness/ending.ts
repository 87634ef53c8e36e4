// The end of a run: waits until everybody has everything, reads the logs, and puts the lines of all tabs into one
// history.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entry } from '../sdk/index';
import { isBlank, isMessage } from '../sdk/kinds';
import { Messages } from '../sdk/messages';
import { plain } from './changing';
import { type Line, type Note, now, type Seen, type Timed, textHash } from './history';
import type { Person, Tab, Tabs } from './people';
import type { Ask } from './rest';
import type { TabState } from './tab_messages';

const LOOK_MS = 250;

/** A conversation and somebody who may read it. */
export interface Watched {
  id: string;
  reader: Person;
}

/** Waits until every living tab is online, has nothing unanswered, and holds the whole of each log, and nothing is left
 * of dead ones; no longer than so many milliseconds in which nothing is answered and nothing comes. */
export async function drained(
  tabs: Tabs,
  people: Person[],
  ask: Ask,
  watched: Watched[],
  ms: number,
): Promise<string[]> {
  let deadline = Date.now() + ms;
  let fewest = Number.POSITIVE_INFINITY;
  let most = 0;
  for (;;) {
    await sleep(LOOK_MS);
    const left = await undone(tabs, people, ask, watched);
    const waiting = waitingOf(tabs, people);
    const held = tabs.living.reduce((sum, { state }) => sum + heldOf(state), 0);
    if (waiting < fewest || held > most) deadline = Date.now() + ms;
    fewest = Math.min(fewest, waiting);
    most = Math.max(most, held);
    if (left.length === 0 || Date.now() > deadline) return left;
  }
}

/** How many operations are not answered yet. */
export function waitingOf(tabs: Tabs, people: Person[]): number {
  const waiting = tabs.living.reduce((sum, { state }) => sum + (state?.pending ?? 0), 0);
  return people.reduce((sum, person) => sum + tabs.kept(person), waiting);
}

/** How far a tab has come in all conversations together. */
function heldOf(state: TabState | undefined): number {
  return Object.values(state?.cursors ?? {}).reduce((sum, cursor) => sum + cursor, 0);
}

async function undone(tabs: Tabs, people: Person[], ask: Ask, watched: Watched[]): Promise<string[]> {
  const left: string[] = [];
  for (const { dev, state } of tabs.living) {
    if (state?.state !== 'online') left.push(`client ${dev} is ${state?.state}`);
    if (!state?.isQuiet) left.push(`client ${dev} may still write`);
    if (state?.pending || state?.unsettled) {
      left.push(`client ${dev}: ${state.pending} operations wait, ${state.unsettled} promises`);
    }
  }
  for (const person of people) {
    const kept = tabs.kept(person);
    if (kept > 0) left.push(`storage of ${person.name} holds ${kept} operations`);
  }
  // The server is not asked in vain: rates are low.
  if (left.length > 0) return left;
  const heads = await Promise.all(watched.map(({ id, reader }) => ask.head(reader.token, id)));
  for (const { dev, person, state } of tabs.living) {
    for (const { conv } of person.rooms) {
      const held = state?.cursors[conv] ?? 0;
      if (held < (heads[conv] ?? 0))
        left.push(`client ${dev} holds ${held} of ${heads[conv]} in conversation ${conv}`);
    }
  }
  return left;
}

export interface Ended {
  /** Users are named `{name}-{number}`. */
  name: string;
  tabs: Tab[];
  people: Person[];
  watched: Watched[];
  logs: Entry[][];
  /** Lines of the harness itself: faults. */
  faults: string;
  gateways: string[];
  isDrained: boolean;
  /** Somebody may still write: nobody has to have everything. */
  isBusy: boolean;
  doubts: string[];
}

type AnyLine = Timed<Line | Note>;

/** How often the server refused something for now. */
export interface ForNow {
  send: number;
  sync: number;
}

/** Writes the history of all. */
export function writeHistory(path: string, ended: Ended): ForNow {
  const { tabs, watched, logs, gateways, isDrained } = ended;
  const doubts = [...ended.doubts];
  const lines: Timed<Line>[] = linesOf(ended.faults) as Timed<Line>[];
  const stored = new Map<string, { conv: number; entry: Entry }>();
  logs.forEach((log, conv) => {
    for (const entry of log) if (entry.client_id) stored.set(entry.client_id, { conv, entry });
  });
  const answered = new Set<string>();
  const forNow: ForNow = { send: 0, sync: 0 };
  const written: AnyLine[][] = tabs.map((tab) => linesOf(tab.history));
  for (const line of written.flat()) if (line.e === 'ok') answered.add(line.cid);
  for (const [at, tab] of tabs.entries()) {
    const own = written[at] ?? [];
    const kept = new Set(own.flatMap((line) => (line.e === 'kept' ? [line.n] : [])));
    for (const line of own) {
      if (line.e === 'doubt') doubts.push(line.text);
      if (line.e === 'for_now') forNow[line.what]++;
      if (isNote(line)) continue;
      if (line.e === 'end' && ended.isBusy) line.reached = false;
      if (line.e === 'invoke' && tab.isKilled && !kept.has(line.n) && !answered.has(line.cid)) {
        // Killed within `send`: nothing was promised. What is stored all the same has its answer in the log.
        const found = stored.get(line.cid);
        if (!found) continue;
        const { conv, entry } = found;
        lines.push(line);
        lines.push({
          t: now(),
          e: 'ok',
          dev: line.dev,
          n: line.n,
          conv,
          cid: line.cid,
          seq: entry.seq,
          id: entry.id,
        });
        continue;
      }
      lines.push(line);
    }
    lines.push(...memberships(tab, own));
  }
  lines.push(...logLines(ended));
  forget(lines);
  lines.sort((a, b) => a.t - b.t);
  const conversations = watched.map(({ id }) => id);
  const first: Line = { e: 'run', name: ended.name, devs: tabs.length, conversations, gateways };
  const devices: Line[] = tabs.map(({ dev, person }) => ({ e: 'device', dev, user: person.number }));
  const begin = lines[0]?.t ?? now();
  const last: Line = { e: 'done', dropped: 0, drained: isDrained, doubts };
  const all = [
    ...[first, ...devices].map((line) => ({ t: begin, ...line })),
    ...lines,
    { t: now(), ...last },
  ];
  writeFileSync(path, `${all.map((line) => JSON.stringify(line)).join('\n')}\n`);
  return forNow;
}

/** What was deleted says nothing of its text any more: it counts as what was written. */
function forget(lines: Timed<Line>[]): void {
  const written = new Map<string, number>();
  for (const line of lines) if (line.e === 'invoke') written.set(line.cid, line.hash);
  for (const line of lines) {
    if ((line.e !== 'recv' && line.e !== 'log') || !line.entry.blank) continue;
    delete line.entry.blank;
    line.entry.hash = written.get(line.entry.cid ?? '') ?? line.entry.hash;
  }
}

/** Messages that are another thing for a tab than what all entries of the log make of them. */
export function misfolded({ tabs, logs, isDrained }: Pick<Ended, 'tabs' | 'logs' | 'isDrained'>): string[] {
  if (!isDrained) return [];
  const wanted = logs.map((log) => {
    const messages = new Messages();
    messages.follow(log);
    return messages;
  });
  return tabs.flatMap(({ dev, history }) =>
    linesOf(history).flatMap((line) => {
      if (line.e !== 'folded') return [];
      const right = plain(wanted[line.conv]?.get(line.seq)?.state);
      const where = `client ${dev}, message ${line.seq} of conversation ${line.conv}`;
      return line.state === right ? [] : [`${where}: ${line.state} instead of ${right}`];
    }),
  );
}

function isNote(line: AnyLine): line is Timed<Note> {
  return ['kept', 'skipped', 'for_now', 'doubt', 'folded'].includes(line.e);
}

function linesOf(path: string): AnyLine[] {
  // A tab that was killed before it began has written nothing.
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AnyLine);
}

/**
 * From which entry on a tab has to have each log: what the first page left out is not in it. A tab that was killed
 * has to have it up to what it showed last.
 */
function memberships({ dev, person, isKilled }: Tab, lines: AnyLine[]): Timed<Line>[] {
  return person.rooms.map(({ conv }) => {
    const skipped = lines.find((line) => line.e === 'skipped' && line.conv === conv);
    const from_seq = skipped?.e === 'skipped' ? skipped.before : 1;
    const member: Timed<Line> = { t: now(), e: 'member', conv, dev, from_seq };
    if (!isKilled) return member;
    const shown = lines.flatMap((line) =>
      line.e === 'recv' && line.entry.conv === conv ? [line.entry.seq] : [],
    );
    return { ...member, to_seq: Math.max(0, ...shown) };
  });
}

function logLines({ logs, people }: Ended): Timed<Line>[] {
  const numbers = new Map(people.map(({ name, number }) => [name, number]));
  return logs.flatMap((log, conv) => {
    const seen = (entry: Entry): Seen => ({
      conv,
      seq: entry.seq,
      id: entry.id,
      ...(entry.client_id ? { cid: entry.client_id } : {}),
      from: entry.kind === 'system' ? -1 : (numbers.get(entry.sender.id) ?? -2),
      hash: textHash(entry.content?.text ?? ''),
      ...(isMessage(entry) && isBlank(entry) ? { blank: true as const } : {}),
    });
    return [
      ...log.map((entry): Timed<Line> => ({ t: now(), e: 'log', entry: seen(entry) })),
      { t: now(), e: 'log_end' as const, conv },
    ];
  });
}
