// What is said between the messages of a conversation: which day it is, and from where on they are new.

import type { Entry } from '../sdk/frames';
import { dayOf } from './formats';
import type { Range } from './window';

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

/** The rows of a part of a log, which is without gaps. `newAfter`: up to where it was read when it was opened. */
export function rows(entries: readonly Entry[], range: Range, newAfter: number | undefined): Row[] {
  const first = entries[0]?.seq;
  if (first === undefined) return [];
  const start = Math.max(0, range.from - first);
  const end = range.to === undefined ? entries.length : Math.min(entries.length, range.to - first + 1);
  const all: Row[] = [];
  let before = entries[start - 1];
  let day = before && dayOf(before.timestamp);
  for (let at = start; at < end; at++) {
    const entry = entries[at];
    if (!entry) break;
    const today = dayOf(entry.timestamp);
    const isNew = newAfter !== undefined && entry.seq === newAfter + 1;
    const starts = isNew || today !== day || !isTogether(before, entry);
    const last = all.at(-1);
    if (last) last.ends = starts;
    all.push({ entry, day: today === day ? undefined : today, isNew, starts, ends: true });
    day = today;
    before = entry;
  }
  const last = all.at(-1);
  if (last) last.ends = !isTogether(last.entry, entries[end]);
  return all;
}

function isTogether(one: Entry | undefined, next: Entry | undefined): boolean {
  if (!one || !next || one.kind === 'system' || next.kind === 'system') return false;
  return one.sender.id === next.sender.id && next.timestamp - one.timestamp < GROUP_MS;
}
