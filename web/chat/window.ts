// Which entries of those that are shown are in the document: a part of them. `from` and `to` are sequence numbers, and without `to` the range goes on with the log.

import { placeOf } from './shown';

export interface Range {
  from: number;
  to: number | undefined;
}

/** Entries that are shown, by ascending seq; at least one. */
type List = readonly { seq: number }[];

/** Rows at the end of a log that is opened. */
export const ROWS = 80;
/** Rows that are added at an end that is reached. */
export const STEP = 60;
/** The most rows. */
export const MOST = 240;

/** The end of a log. */
export function tail(list: List): Range {
  return part(list, list.length - ROWS, list.length - 1);
}

/** Rows around one of them, which is near the beginning. */
export function around(seq: number, list: List): Range {
  const last = list.length - 1;
  return part(list, Math.min(placeOf(list, seq), last) - STEP / 2, last);
}

/** Older rows; undefined when all that are held are there. */
export function up(range: Range, list: List): Range | undefined {
  const [first, last] = placesOf(range, list);
  return first <= 0 ? undefined : part(list, first - STEP, last);
}

/** Newer rows; undefined when the end is there. */
export function down(range: Range, list: List): Range | undefined {
  if (range.to === undefined) return undefined;
  const [first, last] = placesOf(range, list);
  const end = Math.min(last + STEP, list.length - 1);
  return part(list, Math.max(first, end - MOST + 1), end);
}

/** The same place after the log went on or was replaced. A reader at the end sees the end; for others rows are
 * added only as long as there are not too many. */
export function follow(range: Range, list: List, isAtEnd: boolean): Range {
  const [first, last] = placesOf(range, list);
  const isTooMany = range.to === undefined && last - first >= MOST;
  // It begins before what is held now, or behind it, or ends before it.
  const isElsewhere = range.from < (list[0]?.seq ?? 0) || first > last;
  if (!isElsewhere && !isTooMany) return range;
  if (isAtEnd || first >= list.length) return tail(list);
  return last < first ? around(0, list) : part(list, first, last);
}

/** Where a range begins and ends in the list. */
export function placesOf({ from, to }: Range, list: List): [number, number] {
  return [placeOf(list, from), to === undefined ? list.length - 1 : placeOf(list, to + 1) - 1];
}

/** From one place to another, and not too much. */
function part(list: List, first: number, last: number): Range {
  const start = Math.max(0, first);
  const end = Math.min(last, start + MOST - 1);
  return { from: list[start]?.seq ?? 0, to: end >= list.length - 1 ? undefined : list[end]?.seq };
}
