// The messages of one conversation with what changes have made of them, whatever order their entries, pages and late
// answers come in: an entry is applied to a message only when it comes behind what the message takes account of.
//
// Four things are told: the log as this device holds it (`follow`), pages of messages (`page`), what has changed
// since (`changes`), and own reactions that no entry tells of (`reacted`). Each answer of the server says how far it goes, and what this device has of the log behind that is
// applied to it. Beside the rest, so that only those who use it load it.

import { applied, type MessageState, targetsOf } from './fold';
import type { Entry } from './frames';
import { isMessage } from './kinds';

export interface Message {
  entry: Entry;
  state: MessageState;
}

/** What the server answers: of its messages those without a state have changed in nothing. */
export interface States {
  as_of: number;
  states?: Readonly<Record<string, MessageState>>;
}

/** The most messages that are held; the oldest go first. */
const MOST_HELD = 10_000;

export class Messages {
  readonly #held = new Map<number, Message>();
  /** The entries of the log that were followed last, without gaps; and of them the last one and the first seq. */
  #log: readonly Entry[] = [];
  #last: Entry | undefined;
  #first = 1;
  /** Entries up to there were left out: messages that go less far may have changed there. */
  #skipped = 0;
  /** Messages behind whose answer some entries are not held any more. */
  readonly #behind = new Set<number>();
  /** Own reactions that the server has counted and not told yet, by message and key. */
  readonly #own = new Map<number, Map<string, boolean>>();
  readonly #most: number;

  constructor(most = MOST_HELD) {
    this.#most = most;
  }

  get(seq: number): Message | undefined {
    return this.#held.get(seq);
  }

  /** Something may have changed a message that this device was not told: `changes` says what. */
  isStale(seq: number): boolean {
    return this.#behind.has(seq) || (this.#held.get(seq)?.state.as_of ?? this.#skipped) < this.#skipped;
  }

  /** Those of them that are stale. */
  stale(seqs: Iterable<number>): number[] {
    return [...seqs].filter((seq) => this.isStale(seq));
  }

  /** The log as it is held now: gone on, with older entries before it, or begun anew behind what was left out. */
  follow(log: readonly Entry[]): void {
    const first = log[0]?.seq;
    if (first === undefined) return;
    const last = this.#last;
    const before = { first: this.#first, last: last?.seq ?? 0 };
    const isOther = last && (log.at(-1)?.seq ?? 0) < before.last;
    const meets = last && log[before.last - first];
    if (isOther || (meets && meets.id !== last.id)) {
      // Another log is there in its place.
      this.#held.clear();
      this.#behind.clear();
      this.#own.clear();
      this.#skipped = 0;
      this.#last = undefined;
    }
    this.#log = log;
    this.#first = first;
    if (!this.#last || first > before.last + 1) {
      this.#skipped = Math.max(this.#skipped, first - 1);
      this.#take(log);
    } else {
      if (first < before.first) this.#takeOlder(log.slice(0, before.first - first));
      this.#take(log.slice(Math.max(0, before.last + 1 - first)));
    }
    this.#last = log.at(-1);
    this.#bound();
  }

  /** A page of messages, which may come late. */
  page({ entries, ...answer }: States & { entries: readonly Entry[] }): void {
    for (const entry of entries) if (isMessage(entry)) this.#answered(entry, answer);
    this.#bound();
  }

  /** What has changed of the messages of a range, or of some of it: an answer names all that have. */
  changes(from: number, to: number, answer: States): void {
    for (const [seq, { entry }] of this.#held) if (seq >= from && seq <= to) this.#answered(entry, answer);
  }

  /**
   * This user has reacted to a message whose reactions are only counted, or does so no more: it is shown until a tally
   * says how many there are. Not `isNew`: it is counted already.
   */
  reacted(seq: number, key: string, on: boolean, isNew = true): void {
    const message = this.#held.get(seq);
    if (!message || message.state.gone) return;
    if (isNew) {
      const own = this.#own.get(seq) ?? new Map<string, boolean>();
      this.#own.set(seq, own.set(key, on));
      this.#held.set(seq, { ...message, state: withOwn(message.state, own) });
    } else if (message.state.tallied) {
      const mine = (message.state.mine ?? []).filter((one) => one !== key);
      const state = { ...message.state, mine: on ? [...mine, key] : mine };
      this.#held.set(seq, { ...message, state });
    }
  }

  #answered(entry: Entry, { as_of, states }: States): void {
    const { seq } = entry;
    const held = this.#held.get(seq);
    // What this device knows goes further.
    if (held && as_of <= (this.isStale(seq) ? held.state.as_of : Math.max(held.state.as_of, this.#cursor)))
      return;
    // The answer's, whether anything has changed or not.
    const { mine, ...told }: Partial<MessageState> = states?.[seq] ?? {};
    // Where those who reacted are named, entries say more than `mine`, which stays as it was.
    const own = this.#own.get(seq);
    const answered = told.tallied || own ? { ...told, mine, as_of } : { ...told, as_of };
    const state = own && !answered.gone ? withOwn(answered, own) : answered;
    this.#held.set(seq, { entry: held?.entry ?? entry, state });
    this.#behind.delete(seq);
    if (this.#first <= as_of + 1) this.#catchUp(new Set([seq]), as_of);
    else this.#behind.add(seq);
  }

  get #cursor(): number {
    return this.#last?.seq ?? 0;
  }

  /** New entries at the end of the log. */
  #take(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (isMessage(entry) && !this.#held.has(entry.seq))
        this.#held.set(entry.seq, { entry, state: { as_of: entry.seq } });
      for (const target of targetsOf(entry)) this.#apply(target, entry);
    }
  }

  /** Entries before the log: all that has changed their messages is behind them, and held. */
  #takeOlder(entries: readonly Entry[]): void {
    const seqs = new Set<number>();
    for (const entry of entries) {
      if (!isMessage(entry)) continue;
      const held = this.#held.get(entry.seq);
      if (held && !this.isStale(entry.seq)) continue;
      this.#held.set(entry.seq, { entry, state: { as_of: entry.seq } });
      this.#behind.delete(entry.seq);
      seqs.add(entry.seq);
    }
    if (seqs.size > 0) this.#catchUp(seqs, this.#first - 1);
  }

  /** Applies to these what the log has behind an entry. They go as far as the log then. */
  #catchUp(seqs: ReadonlySet<number>, after: number): void {
    for (const entry of this.#log.slice(Math.max(0, after + 1 - this.#first))) {
      for (const target of targetsOf(entry)) {
        const message = seqs.has(target) ? this.#held.get(target) : undefined;
        if (message) this.#changed(target, message, entry);
      }
    }
    const cursor = this.#log.at(-1)?.seq ?? 0;
    for (const seq of seqs) {
      const message = this.#held.get(seq);
      if (message && message.state.as_of < cursor)
        this.#held.set(seq, { ...message, state: { ...message.state, as_of: cursor } });
    }
  }

  /** Stale messages are left alone: what they would say then would hide what was left out. */
  #apply(seq: number, entry: Entry): void {
    const message = this.#held.get(seq);
    if (!message || this.isStale(seq)) return;
    this.#changed(seq, message, entry);
  }

  #changed(seq: number, message: Message, entry: Entry): void {
    const state = applied(message.state, entry);
    if (state === message.state) return;
    this.#held.set(seq, { ...message, state });
    // It counts all that was stored before it.
    if (entry.kind === 'tally') this.#own.delete(seq);
  }

  #bound(): void {
    if (this.#held.size <= this.#most) return;
    const seqs = [...this.#held.keys()].sort((a, b) => a - b);
    for (const seq of seqs.slice(0, seqs.length - this.#most)) {
      this.#held.delete(seq);
      this.#behind.delete(seq);
      this.#own.delete(seq);
    }
  }
}

/** A state with own reactions that it does not count yet. */
function withOwn(state: MessageState, own: ReadonlyMap<string, boolean>): MessageState {
  const mine = new Set(state.mine);
  const reactions = { ...state.reactions };
  for (const [key, on] of own) {
    if (mine.has(key) === on) continue;
    const { n, ...more } = (Object.hasOwn(reactions, key) && reactions[key]) || { n: 0 };
    if (on || n > 1) reactions[key] = { ...more, n: n + (on ? 1 : -1) };
    else delete reactions[key];
    if (on) mine.add(key);
    else mine.delete(key);
  }
  return { ...state, tallied: true, reactions, mine: [...mine] };
}
