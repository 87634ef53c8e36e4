// How many messages of a conversation are unread. The server counts over the whole log; what arrives later is added
// here. Where this device does not hold the entries in question, it does not guess: the server is asked again.

import type { Entry } from '../sdk/frames';
import { counts } from '../sdk/kinds';

/** The server stops counting here, or later: from there on a number is not exact and nothing may be taken away from it. */
export const COUNTED_TO = 100;

export interface Counted {
  /** The entry up to which was counted. */
  head: number;
  my_read_seq: number;
  unread: number;
}

/** The unread ones among the entries after `from`, up to `to`; undefined when some of them are not held.
 * `entries` are without gaps. */
export function between(
  entries: readonly Entry[],
  from: number,
  to: number,
  userId: string,
): number | undefined {
  if (to <= from) return 0;
  const first = entries[0]?.seq;
  if (first === undefined || first > from + 1 || first + entries.length - 1 < to) return undefined;
  let count = 0;
  for (let at = from + 1 - first; at <= to - first; at++) {
    const entry = entries[at];
    if (entry && counts(entry, userId)) count++;
  }
  return count;
}

/** The log went on to `head`. Undefined: ask the server. */
export function grown(
  counted: Counted,
  head: number,
  entries: readonly Entry[],
  userId: string,
): Counted | undefined {
  if (head <= counted.head) return counted;
  const more = between(entries, Math.max(counted.head, counted.my_read_seq), head, userId);
  if (more === undefined) return undefined;
  return { ...counted, head, unread: counted.unread + more };
}

/** Everything up to `seq` was read, here or on another device. Undefined: ask the server. */
export function read(
  counted: Counted,
  seq: number,
  entries: readonly Entry[],
  userId: string,
): Counted | undefined {
  if (seq <= counted.my_read_seq) return counted;
  const after = { ...counted, my_read_seq: seq };
  if (seq >= counted.head) return { ...after, unread: 0 };
  const left = between(entries, seq, counted.head, userId);
  if (left !== undefined) return { ...after, unread: left };
  if (counted.unread >= COUNTED_TO) return undefined;
  const gone = between(entries, counted.my_read_seq, seq, userId);
  return gone === undefined ? undefined : { ...after, unread: Math.max(0, counted.unread - gone) };
}
