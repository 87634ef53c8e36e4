// What changes have made of a message: its state, folded from the entries of its log by the rules of the server. Pure: a
// state is never changed, another one takes its place.

import type { Content, Entry } from './frames';

/** Who reacted with a key. */
export interface Reaction {
  n: number;
  /** In the order of their reactions; none where reactions are only counted. */
  by?: readonly string[];
}

export interface MessageState {
  /** The last entry that it takes account of. */
  as_of: number;
  /** In place of the content of the entry; `mentions` and `extra` go with it. */
  content?: Content;
  mentions?: readonly string[];
  extra?: Record<string, unknown>;
  /** The last edit, how many there were, and when the last one was made. */
  edited?: { seq: number; count: number; at: number };
  /** By key. */
  reactions?: Readonly<Record<string, Reaction>>;
  /** There are so many reactions that they are only counted. */
  tallied?: boolean;
  /** Keys with which this user has reacted, where an answer of the server says so. */
  mine?: readonly string[];
  pinned?: { seq: number; by: string; until?: number | null };
  /** Replies in the thread that the message begins. */
  thread?: { n: number; last_seq: number; last_at: number; by: readonly string[] };
  deleted?: { seq: number; by: string };
  /** Why the content is gone for ever. */
  gone?: 'deleted' | 'expired' | 'erased';
}

type Ranges = readonly (readonly [number, number])[];

const CHANGES = ['edit', 'delete', 'reaction', 'tally', 'pin'];
/** Of those who replied in a thread so many are named. */
const MOST_REPLIERS = 10;

/** The messages that an entry changes, in their order. */
export function targetsOf({
  kind,
  target,
  thread,
  content,
}: Pick<Entry, 'kind' | 'target' | 'thread' | 'content'>): number[] {
  if (CHANGES.includes(kind)) {
    if (target !== undefined) return [target];
    return kind === 'delete' ? seqsOf(content?.seqs) : [];
  }
  if (kind === 'system') return content?.event === 'erased' ? seqsOf(content.seqs) : [];
  return thread === undefined ? [] : [thread];
}

function seqsOf(ranges: Ranges = []): number[] {
  return ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at));
}

/** Seqs as ranges, in order. */
export function rangesOf(seqs: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && seq <= last[1] + 1) last[1] = seq;
    else ranges.push([seq, seq]);
  }
  return ranges;
}

/** The state of a message after an entry that has it among its targets: the same one where that changes nothing. */
export function applied(state: MessageState, entry: Entry): MessageState {
  const { seq, kind, sender, timestamp } = entry;
  // What is gone stays gone.
  if (seq <= state.as_of || state.gone) return state;
  const content = entry.content ?? {};
  const next: MessageState = { ...state, as_of: seq };
  switch (kind) {
    case 'edit':
      // An edit is emptied with its message.
      if (content.content === undefined) return next;
      next.edited = { seq, count: (state.edited?.count ?? 0) + 1, at: timestamp };
      next.content = content.content;
      next.mentions = content.mentions;
      next.extra = content.extra;
      return next;
    case 'delete':
      return { as_of: seq, deleted: { seq, by: content.by ?? 'sender' }, gone: 'deleted' };
    case 'system':
      return { as_of: seq, gone: 'erased' };
    case 'reaction':
      next.reactions = reacted(state.reactions, sender.id, content);
      return next;
    case 'tally':
      next.tallied = true;
      next.reactions = Object.fromEntries(
        Object.entries<number>(content.reactions ?? {}).map(([key, n]) => [key, { n }]),
      );
      return next;
    case 'pin':
      next.pinned = content.on ? { seq, by: sender.id } : undefined;
      return next;
    default:
      next.thread = replied(state.thread, entry);
      return next;
  }
}

function reacted(
  before: MessageState['reactions'] = {},
  user: string,
  { key, on }: { key?: string; on?: boolean },
): MessageState['reactions'] {
  if (typeof key !== 'string') return before;
  // A key may be a name that every object has.
  const { n, by = [] } = (Object.hasOwn(before, key) && before[key]) || { n: 0 };
  if (by.includes(user) === (on === true)) return before;
  if (on) return { ...before, [key]: { n: n + 1, by: [...by, user] } };
  const { [key]: _, ...others } = before;
  return n > 1 ? { ...before, [key]: { n: n - 1, by: by.filter((one) => one !== user) } } : others;
}

function replied(before: MessageState['thread'], { seq, timestamp, sender }: Entry): MessageState['thread'] {
  const others = (before?.by ?? []).filter((one) => one !== sender.id);
  return {
    n: (before?.n ?? 0) + 1,
    last_seq: seq,
    last_at: timestamp,
    by: [...others, sender.id].slice(-MOST_REPLIERS),
  };
}
