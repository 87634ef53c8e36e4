import { expect, test } from 'vitest';
import { entry } from './fake';
import { applied, type MessageState, rangesOf, targetsOf } from './fold';
import type { Entry } from './frames';
import { contentOf, isMessage } from './kinds';
import { Messages } from './messages';
import { randomOf } from './simulation';

const by = (seq: number, who: string, kind: string, content: object, target?: number): Entry => ({
  ...entry(seq),
  kind,
  content,
  sender: { id: who, type: 'user' },
  target,
});
const react = (seq: number, who: string, key: string, on: boolean, target = 1) =>
  by(seq, who, 'reaction', { key, on }, target);
const edit = (seq: number, text: string, target = 1) =>
  by(seq, 'ann', 'edit', { content: { text }, mentions: ['bob'] }, target);
const folded = (...entries: Entry[]) => entries.reduce<MessageState>(applied, { as_of: 1 });

test('changes are folded, and each once', () => {
  const all = [edit(2, 'b'), react(3, 'bob', '👍', true), react(4, 'ann', '👍', true), edit(5, 'c')];
  const expected = {
    as_of: 5,
    content: { text: 'c' },
    mentions: ['bob'],
    edited: { seq: 5, count: 2, at: 5 },
    reactions: { '👍': { n: 2, by: ['bob', 'ann'] } },
  };
  expect(folded(...all)).toEqual(expected);
  expect(folded(...all, ...all)).toEqual(expected);
  const off = folded(...all, react(6, 'bob', '👍', false), react(7, 'bob', '👍', false));
  expect(off.reactions).toEqual({ '👍': { n: 1, by: ['ann'] } });
  expect(applied(off, react(8, 'ann', '👍', false)).reactions).toEqual({});
});

test('what is deleted or erased has nothing any more, and nothing changes it', () => {
  const gone = folded(edit(2, 'b'), by(9, 'bob', 'delete', { by: 'admin' }, 1), react(10, 'bob', 'x', true));
  expect(gone).toEqual({ as_of: 9, deleted: { seq: 9, by: 'admin' }, gone: 'deleted' });
  expect(contentOf(entry(1), gone)).toEqual({});
  expect(folded(edit(2, 'b'), by(3, 'x', 'system', { event: 'erased', seqs: [[1, 1]] }))).toEqual({
    as_of: 3,
    gone: 'erased',
  });
  // Emptied with its message: it says nothing.
  expect(folded(by(2, 'ann', 'edit', {}, 1))).toEqual({ as_of: 2 });
});

test('a tally says how many there are in all, and single reactions count from there', () => {
  const tally = by(4, 'system', 'tally', { reactions: { '👍': 5_012, x: 1 }, reactors: 5_012 }, 1);
  const state = folded(react(3, 'bob', '👍', true), tally);
  expect(state).toEqual({ as_of: 4, tallied: true, reactions: { '👍': { n: 5_012 }, x: { n: 1 } } });
  expect(applied(state, react(5, 'bob', 'x', true)).reactions?.x).toEqual({ n: 2, by: ['bob'] });
});

test('an own reaction that is only counted shows at once, and once when it is told', () => {
  const tally = (seq: number, n: number) =>
    by(seq, 'system', 'tally', { reactions: { x: n }, reactors: n }, 1);
  const messages = new Messages();
  const log = [entry(1), tally(2, 900)];
  messages.follow(log);
  const shown = () => {
    const { reactions, mine } = messages.get(1)?.state ?? {};
    return [reactions?.x?.n, mine];
  };
  messages.reacted(1, 'x', true);
  expect(shown()).toEqual([901, ['x']]);
  messages.reacted(1, 'x', true);
  expect(shown()).toEqual([901, ['x']]);
  // Others' that go on, and an answer from before it and from after it.
  log.push(by(3, 'bob', 'pin', { on: true }, 1));
  messages.follow(log);
  expect(shown()).toEqual([901, ['x']]);
  const answer = (as_of: number, n: number, mine?: string[]) =>
    messages.page({
      entries: [entry(1)],
      as_of,
      states: { 1: { as_of: 2, tallied: true, reactions: { x: { n } }, mine } },
    });
  answer(4, 900);
  expect(shown()).toEqual([901, ['x']]);
  answer(5, 901, ['x']);
  expect(shown()).toEqual([901, ['x']]);
  // It is told with another one, and stays one's own.
  log.push(entry(4), entry(5), tally(6, 902));
  messages.follow(log);
  expect(shown()).toEqual([902, ['x']]);
  messages.reacted(1, 'x', false);
  expect(shown()).toEqual([901, []]);
  log.push(tally(7, 901));
  messages.follow(log);
  expect(shown()).toEqual([901, []]);
  messages.reacted(1, 'y', true);
  messages.reacted(1, 'y', false);
  expect(messages.get(1)?.state.reactions).toEqual({ x: { n: 901 } });
  // What was there already is counted already, and of what names its reactors nothing is to be said.
  messages.reacted(1, 'x', true, false);
  expect(shown()).toEqual([901, ['x']]);
  messages.reacted(4, 'x', true, false);
  expect(messages.get(4)?.state).toEqual({ as_of: 4 });
  messages.reacted(99, 'x', true);
  expect(messages.get(99)).toBeUndefined();
});

test('any text may be a key', () => {
  const state = folded(react(2, 'bob', 'constructor', true), react(3, 'bob', '__proto__', true));
  expect(Object.entries(state.reactions ?? {})).toEqual([
    ['constructor', { n: 1, by: ['bob'] }],
    ['__proto__', { n: 1, by: ['bob'] }],
  ]);
  expect(applied(state, react(4, 'bob', '__proto__', false)).reactions).toEqual({
    constructor: { n: 1, by: ['bob'] },
  });
});

test('pins and replies are told at the message that they are about', () => {
  const pinned = folded(by(2, 'bob', 'pin', { on: true }, 1), { ...entry(3), thread: 1 } as Entry);
  expect(pinned).toMatchObject({ pinned: { seq: 2, by: 'bob' }, thread: { n: 1, last_seq: 3, by: ['bob'] } });
  expect(applied(pinned, by(4, 'bob', 'pin', { on: false }, 1)).pinned).toBeUndefined();
});

test('an entry says which messages it changes', () => {
  expect(
    targetsOf(
      by(9, 'ann', 'delete', {
        by: 'sender',
        seqs: [
          [2, 4],
          [7, 7],
        ],
      }),
    ),
  ).toEqual([2, 3, 4, 7]);
  expect(targetsOf(by(9, 'ann', 'delete', {}))).toEqual([]);
  expect(targetsOf(by(9, 'ann', 'later', {}, 3))).toEqual([]);
  expect(targetsOf(entry(9))).toEqual([]);
  expect(rangesOf([7, 2, 4, 3])).toEqual([
    [2, 4],
    [7, 7],
  ]);
});

/** A log in which much changes. */
function logOf(random: () => number, length: number): Entry[] {
  const pick = <T>(all: readonly T[]) => all[Math.floor(random() * all.length)] as T;
  const log: Entry[] = [];
  const on = new Set<string>();
  const kinds = [...'mmmmmmeedrrrrrrtp', random() < 0.2 ? 'x' : 'm'];
  for (let seq = 1; seq <= length; seq++) {
    const messages = log.filter(isMessage).map((one) => one.seq);
    const who = pick(['ann', 'bob', 'cleo', 'dan']);
    const kind = messages.length === 0 ? 'm' : pick(kinds);
    const target = pick(messages);
    if (kind === 'm') {
      const thread = messages.length > 0 && random() < 0.3 ? target : undefined;
      log.push({ ...by(seq, who, 'text', { text: `m${seq}` }), thread } as Entry);
    } else if (kind === 'e') log.push({ ...edit(seq, `e${seq}`, target) });
    else if (kind === 'd') {
      const several = random() < 0.3;
      const content = { by: 'sender', seqs: several ? rangesOf([target, pick(messages)]) : undefined };
      log.push(by(seq, who, 'delete', content, several ? undefined : target));
    } else if (kind === 'r') {
      const key = pick(['x', 'y']);
      const name = `${target} ${who} ${key}`;
      if (!on.delete(name)) on.add(name);
      log.push(react(seq, who, key, on.has(name), target));
    } else if (kind === 't')
      log.push(by(seq, 'system', 'tally', { reactions: { x: pick([1, 2, 9]) } }, target));
    else if (kind === 'p') log.push(by(seq, who, 'pin', { on: random() < 0.6 }, target));
    else log.push(by(seq, 'system', 'system', { event: 'erased', seqs: rangesOf([target]) }));
  }
  return log;
}

/** What the server says of all messages, for each head that its log may have. */
function statesOf(log: readonly Entry[]): Map<number, MessageState>[] {
  const all = [new Map<number, MessageState>()];
  for (const one of log) {
    const states = new Map(all.at(-1));
    if (isMessage(one)) states.set(one.seq, { as_of: one.seq });
    for (const target of targetsOf(one)) {
      const state = states.get(target);
      if (state) states.set(target, applied(state, one));
    }
    all.push(states);
  }
  return all;
}

interface Answer {
  as_of: number;
  from: number;
  to: number;
  states: Record<string, MessageState>;
  isChanges: boolean;
}

/** What a fault of the server or of the rules would do to an answer. */
type Fault = (answer: Answer, cursor: number) => Answer;

/** A device that reads, skips, asks and is answered late. The messages that are wrong in the end. */
function run(seed: number, fault: Fault = (answer) => answer): number[] {
  const random = randomOf(seed);
  const below = (most: number) => Math.floor(random() * most);
  const log = logOf(random, 40 + below(80));
  const states = statesOf(log);
  const messages = new Messages();
  let head = 20 + below(10);
  /** What this device holds of the log: from one entry to another. */
  let [first, cursor] = [Math.max(1, head - below(10)), head];
  const follow = () => messages.follow(log.slice(first - 1, cursor));
  const late: Answer[] = [];
  const ask = (from: number, to: number, isChanges: boolean) => {
    // A server says nothing of what has not changed.
    const changed = [...(states[head] ?? [])].filter(
      ([seq, { as_of }]) => seq >= from && seq <= to && as_of > seq,
    );
    late.push({ as_of: head, from, to, states: Object.fromEntries(changed), isChanges });
  };
  const hear = (answer: Answer) => {
    const { isChanges, from, to, ...told } = fault(answer, cursor);
    if (isChanges) messages.changes(from, to, told);
    else messages.page({ ...told, entries: log.slice(from - 1, Math.min(to, answer.as_of)) });
  };
  follow();
  for (let step = 0; step < 300; step++) {
    head = Math.min(log.length, head + below(3));
    const x = random();
    if (x < 0.45) {
      cursor = Math.min(head, cursor + 1 + below(2));
      follow();
    } else if (x < 0.6) {
      const from = 1 + below(head);
      ask(from, from + 6, false);
    } else if (x < 0.7 && head - cursor > 8) {
      first = head - below(5);
      cursor = head;
      follow();
    } else if (x < 0.75) {
      first = Math.max(1, first - below(8));
      follow();
    } else if (x < 0.8) {
      // The oldest are let go.
      first = Math.min(cursor, first + below(4));
      follow();
    } else if (x < 0.87) {
      const from = 1 + below(cursor);
      ask(from, from + 10, true);
    }
    const answer = late[below(late.length)];
    if (answer && random() < 0.3) hear(late.splice(late.indexOf(answer), 1)[0] as Answer);
  }
  cursor = head = log.length;
  follow();
  const wanted = states[head];
  // What is stale is asked for when it is looked at, and what is late comes at last.
  for (const answer of late) hear(answer);
  for (const seq of messages.stale(log.map((one) => one.seq))) {
    messages.changes(seq, seq, { as_of: head, states: { [seq]: wanted?.get(seq) as MessageState } });
  }
  return log.flatMap(({ seq }) => {
    const held = messages.get(seq);
    const isRight = JSON.stringify(plain(held?.state)) === JSON.stringify(plain(wanted?.get(seq)));
    return held && !isRight ? [seq] : [];
  });
}

/** Without how far it goes, and in one order. */
function plain(state: MessageState | undefined): unknown {
  const { as_of: _, ...rest } = state ?? { as_of: 0 };
  const isThere = ([, value]: [string, unknown]) => value !== undefined;
  const { reactions, ...others } = rest;
  const keys = Object.entries(reactions ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return [Object.entries(others).filter(isThere).sort(), keys];
}

const RUNS = 500;
/** On a machine that has much else to do. */
const LONG_MS = 60_000;
const wrongRuns = (fault: Fault) =>
  Array.from({ length: 300 }, (_, seed) => run(seed, fault)).filter((wrong) => wrong.length > 0).length;

test(
  'pages, live entries, what is left out and late answers end in the same state in any order',
  () => {
    for (let seed = 0; seed < RUNS; seed++) expect(run(seed), `seed ${seed}`).toEqual([]);
  },
  LONG_MS,
);

test(
  'an answer that says that it goes further or less far than it does is found',
  () => {
    expect(
      wrongRuns((answer, cursor) => ({ ...answer, as_of: Math.max(answer.as_of, cursor) })),
    ).toBeGreaterThan(50);
    expect(wrongRuns((answer) => ({ ...answer, as_of: answer.as_of - 3 }))).toBeGreaterThan(50);
    expect(wrongRuns((answer) => ({ ...answer, states: {} }))).toBeGreaterThan(50);
  },
  LONG_MS,
);

test('messages of a log that took the place of another are forgotten', () => {
  const messages = new Messages();
  messages.follow([entry(1), entry(2), react(3, 'bob', 'x', true)]);
  expect(messages.get(1)?.state.reactions).toEqual({ x: { n: 1, by: ['bob'] } });
  messages.follow([entry(1), { ...entry(2), id: 'other' }, { ...entry(3), id: 'third' }]);
  expect(messages.get(1)?.state).toEqual({ as_of: 1 });
  messages.follow([{ ...entry(1), id: 'new' }]);
  expect(messages.get(2)).toBeUndefined();
});

test('own reactions are told apart only where nobody is named', () => {
  const messages = new Messages();
  messages.follow([entry(1), entry(2)]);
  const by = { n: 1, by: ['ann'] };
  const states = {
    1: { as_of: 3, reactions: { x: by }, mine: ['x'] },
    2: { as_of: 3, tallied: true, reactions: { x: { n: 900 } }, mine: ['x'] },
  };
  messages.page({ entries: [entry(1), entry(2)], as_of: 3, states });
  expect(messages.get(1)?.state).toEqual({ as_of: 3, reactions: { x: by } });
  expect(messages.get(2)?.state.mine).toEqual(['x']);
});

test('no more messages are held than may be', () => {
  const messages = new Messages(3);
  messages.follow([1, 2, 3, 4, 5].map(entry));
  expect([1, 2, 3, 4, 5].filter((seq) => messages.get(seq))).toEqual([3, 4, 5]);
});
