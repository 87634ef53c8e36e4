// What is said between the messages of a conversation: which day it is, and from where on they are new.

import type { Entry } from '../sdk/frames';
import { dayOf } from './formats';
import { placesOf, type Range } from './window';

/** Messages of one sender that follow each other within this time are one group. */
const GROUP_MS = 5 * 60_000;

export interface Row {
  entry: Entry;
  /** A day begins with it. */
  day: number | undefined;
  /** The first one that was new. */
  isNew: boolean;
  /** The first and the last of a group of one sender. */
  starts: boolean;
  ends: boolean;
}

/** The rows of a part of what is shown. `newFrom`: the first one that was new when it was opened. */
export function rows(entries: readonly Entry[], range: Range, newFrom: number | undefined): Row[] {
  const [start, last] = placesOf(range, entries);
  const end = last + 1;
  const all: Row[] = [];
  let before = entries[start - 1];
  let day = before && dayOf(before.timestamp);
  for (let at = start; at < end; at++) {
    const entry = entries[at];
    if (!entry) break;
    const today = dayOf(entry.timestamp);
    const isNew = entry.seq === newFrom;
    const starts = isNew || today !== day || !isTogether(before, entry);
    const above = all.at(-1);
    if (above) above.ends = starts;
    all.push({ entry, day: today === day ? undefined : today, isNew, starts, ends: true });
    day = today;
    before = entry;
  }
  const below = all.at(-1);
  if (below) below.ends = !isTogether(below.entry, entries[end]);
  return all;
}

function isTogether(one: Entry | undefined, next: Entry | undefined): boolean {
  // Whatever is no text stands by itself.
  if (one?.kind !== 'text' || next?.kind !== 'text') return false;
  return one.sender.id === next.sender.id && next.timestamp - one.timestamp < GROUP_MS;
}
