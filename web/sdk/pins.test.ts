import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Emitter } from './emitter';
import { RestError } from './errors';
import { conversation_id, entry, FakeSocket, pin } from './fake';
import type { Entry } from './frames';
import { Log } from './log';
import { type PinnedEntry, Pins } from './pins';
import { randomOf } from './simulation';
import type { Events } from './types';

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Question {
  limit?: number;
  before?: number;
  answer: (page: { pins: PinnedEntry[]; next?: number }) => Promise<void>;
  fail: (error: Error) => Promise<void>;
}

/** What a client does for `Pins`, by hand. */
class FakeClient {
  readonly held = new Log();
  readonly asked: Question[] = [];
  readonly expiring: Entry[] = [];
  readonly emitter = new Emitter<Events>();
  readonly rest = {
    pins: (_id: string, query: { limit?: number; before?: number }) =>
      new Promise((resolve, reject) => {
        const settled = async (settle: () => void) => {
          settle();
          await vi.advanceTimersByTimeAsync(0);
        };
        this.asked.push({
          ...query,
          answer: (page) => settled(() => resolve(page)),
          fail: (error) => settled(() => reject(error)),
        });
      }),
  };

  on<Name extends keyof Events>(name: Name, listener: Events[Name]) {
    return this.emitter.on(name, listener);
  }

  emit<Name extends keyof Events>(name: Name, ...what: Parameters<Events[Name]>) {
    this.emitter.emit(name, what, (error) => {
      throw error;
    });
  }

  log() {
    return this.held;
  }

  expire(entries: readonly Entry[]) {
    this.expiring.push(...entries);
  }

  /** Live ones, as they come. */
  hear(...entries: Entry[]) {
    for (const one of entries) for (const taken of this.held.add(one)) this.emit('entry', taken, 'live');
  }

  /** A page of a sync that leaves out what is before it. */
  skipTo(entries: Entry[]) {
    const first = entries[0]?.seq ?? 0;
    const { taken, isReset } = this.held.addPage({ entries, reset: false, skipped_before: first });
    if (isReset) this.emit('reset', conversation_id);
    for (const one of taken) this.emit('entry', one, 'sync');
  }

  get last(): Question {
    const question = this.asked.at(-1);
    if (!question) throw new Error('nothing was asked for');
    return question;
  }
}

function look(client: FakeClient) {
  const told: (number[] | undefined)[] = [];
  const seqs = () => pins.list?.map((one) => one.entry.seq);
  const pins: Pins = new Pins(client as never, conversation_id, () => told.push(seqs()));
  return { pins, seqs, told };
}

const pinned = (seq: number, pinned_seq: number): PinnedEntry => ({
  entry: entry(seq),
  pinned_seq,
  pinned_at: pinned_seq,
  by: 'bob',
});

/** A conversation with ten messages is open, of which these are pinned. */
async function opened(...pins: PinnedEntry[]) {
  const client = new FakeClient();
  for (let seq = 1; seq <= 10; seq++) client.hear(entry(seq));
  const looking = look(client);
  await client.last.answer({ pins });
  return { client, ...looking };
}

test('what is pinned is asked for once, when the log has begun, and followed from then on', async () => {
  const client = new FakeClient();
  const { seqs, told } = look(client);
  expect(client.asked).toHaveLength(0);
  client.hear(entry(1), entry(2), pin(3, 1));
  expect(client.asked).toMatchObject([{ limit: 100 }]);
  await client.last.answer({ pins: [pinned(1, 3)] });
  expect(seqs()).toEqual([1]);
  client.hear(pin(4, 2), entry(5), pin(6, 1, false), entry(7));
  expect(told).toEqual([[1], [2, 1], [2]]);
  expect(client.asked).toHaveLength(1);
});

test('who has pinned it, and when, is told as the server tells it', async () => {
  const { client, pins } = await opened();
  client.hear({ ...pin(11, 4, true, 'cleo'), timestamp: 1_234 });
  expect(pins.list).toEqual([{ entry: entry(4), pinned_seq: 11, pinned_at: 1_234, by: 'cleo' }]);
});

test('entries that are in the answer already change nothing', async () => {
  const { client, told } = await opened(pinned(2, 15), pinned(1, 3));
  // The answer knew more than the log: between the two the first was pinned again.
  client.hear(pin(11, 2), pin(12, 2, false), pin(13, 1, false), pin(14, 1), pin(15, 2));
  expect(told).toEqual([[2, 1]]);
  client.hear(pin(16, 2, false));
  expect(told.at(-1)).toEqual([1]);
});

test('an entry that came while it was read wins over an older answer', async () => {
  const client = new FakeClient();
  client.hear(entry(1), entry(2), pin(3, 1));
  const { seqs } = look(client);
  client.hear(pin(4, 1, false), pin(5, 2));
  await client.last.answer({ pins: [pinned(1, 3)] });
  expect(seqs()).toEqual([2]);
});

test('pins of messages that are not held are read', async () => {
  const client = new FakeClient();
  client.skipTo([entry(100), entry(101)]);
  const { seqs } = look(client);
  await client.last.answer({ pins: [] });
  client.hear(pin(102, 7));
  expect(client.asked).toHaveLength(2);
  await client.last.answer({ pins: [pinned(7, 102)] });
  expect(seqs()).toEqual([7]);
});

test('where a sync has left something out it is read again', async () => {
  const { client, seqs } = await opened(pinned(2, 3));
  client.skipTo([entry(100), pin(101, 100)]);
  expect(seqs()).toEqual([2]);
  await client.last.answer({ pins: [pinned(100, 101), pinned(50, 70)] });
  expect(seqs()).toEqual([100, 50]);
});

test('of several answers the one to the last question counts', async () => {
  const { client, seqs } = await opened();
  client.skipTo([entry(100)]);
  const first = client.last;
  client.skipTo([entry(200)]);
  await client.last.answer({ pins: [pinned(150, 160)] });
  await first.answer({ pins: [pinned(2, 3)] });
  expect(seqs()).toEqual([150]);
});

test('an answer in pages is one', async () => {
  const client = new FakeClient();
  client.hear(entry(1));
  const { seqs } = look(client);
  await client.last.answer({ pins: [pinned(5, 90)], next: 90 });
  expect(client.last.before).toBe(90);
  await client.last.answer({ pins: [pinned(4, 80)] });
  expect(seqs()).toEqual([5, 4]);
});

test('what is blank is not in the list, whether it came so or became so', async () => {
  const blank = { ...pinned(2, 12), entry: { ...entry(2), content: {} } };
  const { client, seqs } = await opened(blank, pinned(1, 11));
  expect(seqs()).toEqual([1]);
  expect(client.expiring).toHaveLength(2);
  // Of a message that this device may not see.
  client.hear({ ...pin(11, 3), content: {} });
  expect(seqs()).toEqual([1]);
  const [entryOfList] = client.expiring.filter(({ seq }) => seq === 1);
  if (entryOfList) entryOfList.content = {};
  client.emit('expired', [entryOfList as Entry]);
  expect(seqs()).toEqual([]);
});

test('without an answer it is asked for again: later, or as soon as there is a connection', async () => {
  const client = new FakeClient();
  client.hear(entry(1));
  const { seqs } = look(client);
  const noAnswer = new RestError({ status: 0, code: 'no_answer', message: '' });
  await client.last.fail(noAnswer);
  client.emit('state', 'online', {});
  expect(client.asked).toHaveLength(2);
  await client.last.fail(noAnswer);
  await vi.advanceTimersByTimeAsync(10_000);
  await client.last.answer({ pins: [pinned(1, 1)] });
  expect([client.asked.length, seqs()]).toEqual([3, [1]]);
});

test('a user who is no member, or looks no more, asks no more', async () => {
  const client = new FakeClient();
  client.hear(entry(1));
  look(client);
  await client.last.fail(new RestError({ status: 403, code: 'not_member', message: '' }));
  const { pins } = look(client);
  pins.end();
  client.skipTo([entry(100)]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(client.asked).toHaveLength(2);
});

test('other conversations and kinds change nothing', async () => {
  const { client, told } = await opened(pinned(2, 3));
  client.emit('entry', { ...pin(11, 3), conversation_id: 'another' }, 'live');
  client.hear(entry(11), { ...entry(12), kind: 'reaction', target: 2, content: { on: true } });
  expect(told).toEqual([[2]]);
});

/** A server whose log goes on while a device follows it, loses its connection, skips, and reads at any time. */
async function live(seed: number) {
  const random = randomOf(seed);
  const below = (most: number) => Math.floor(random() * most);
  const log: Entry[] = [];
  const at: PinnedEntry[][] = [[]];
  const write = () => {
    const seq = log.length + 1;
    const before = at.at(-1) ?? [];
    const target = 1 + below(6);
    const isPin = seq > 6 && random() < 0.5;
    const on = !before.some((one) => one.entry.seq === target);
    const one = isPin ? pin(seq, target, on) : entry(seq);
    log.push(one);
    const others = before.filter((other) => !isPin || other.entry.seq !== target);
    const now = { entry: entry(target), pinned_seq: seq, pinned_at: seq, by: 'bob' };
    at.push(isPin && on ? [now, ...others] : others);
  };
  for (let seq = 0; seq < below(20); seq++) write();
  const client = new FakeClient();
  const { seqs } = look(client);
  /** Questions, with what the server read for each when it did. */
  const read = new Map<Question, PinnedEntry[]>();
  const step = async (isLast: boolean) => {
    if (!isLast && random() < 0.6) write();
    const { cursor } = client.held;
    const from = random() < 0.05 ? Math.max(cursor, log.length - 3) : cursor;
    const next = log.slice(from, isLast ? undefined : from + below(4));
    if (from > cursor && next.length > 0) client.skipTo(next);
    else client.hear(...next);
    for (const question of client.asked) {
      const known = read.get(question);
      if (!known && (isLast || random() < 0.5)) read.set(question, at[log.length] ?? []);
      else if (known && (isLast || random() < 0.4)) {
        client.asked.splice(client.asked.indexOf(question), 1);
        await question.answer({ pins: known });
      }
    }
  };
  for (let n = 0; n < 60; n++) await step(false);
  for (let n = 0; n < 6; n++) await step(true);
  return { seqs: seqs(), expected: (at.at(-1) ?? []).map((one) => one.entry.seq), log };
}

test('whatever comes before what, in the end the list is the server’s', async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const { seqs, expected } = await live(seed);
    expect({ seed, seqs }).toEqual({ seed, seqs: expected });
  }
});
