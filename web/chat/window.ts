// Which rows of a long list are in the document. A log is drawn in part: `from` and `to` are sequence numbers,
// and without `to` the range goes on with the log.

export interface Range {
  from: number;
  to: number | undefined;
}

/** Rows at the end of a log that is opened. */
export const ROWS = 80;
/** Rows that are added at an end that is reached. */
export const STEP = 60;
/** The most rows. */
export const MOST = 240;

/** The end of a log that is held from `first` to `last`. */
export function tail(first: number, last: number): Range {
  return { from: Math.max(first, last - ROWS + 1), to: undefined };
}

/** Rows around one of them, which is near the beginning. */
export function around(seq: number, first: number, last: number): Range {
  const from = Math.max(first, Math.min(seq, last) - STEP / 2);
  return bounded({ from, to: undefined }, last);
}

/** Older rows; undefined when all that are held are there. */
export function up(range: Range, first: number, last: number): Range | undefined {
  if (range.from <= first) return undefined;
  return bounded({ from: Math.max(first, range.from - STEP), to: range.to }, last);
}

/** Newer rows; undefined when the end is there. */
export function down(range: Range, last: number): Range | undefined {
  if (range.to === undefined) return undefined;
  const end = range.to + STEP;
  const to = end >= last ? undefined : end;
  return { from: Math.max(range.from, (to ?? last) - MOST + 1), to };
}

/** The same place after the log went on or was replaced. Whoever reads the end sees the end; for others rows are
 * added only as long as there are not too many. */
export function follow(range: Range, first: number, last: number, isAtEnd: boolean): Range {
  if (range.from > last) return tail(first, last);
  if ((range.to ?? last) < first) return isAtEnd ? tail(first, last) : around(first, first, last);
  if (range.from < first) return isAtEnd ? tail(first, last) : bounded({ from: first, to: range.to }, last);
  const size = (range.to ?? last) - range.from + 1;
  if (range.to !== undefined || size <= MOST) return range;
  return isAtEnd ? tail(first, last) : bounded(range, last);
}

function bounded(range: Range, last: number): Range {
  const end = range.to ?? last;
  const to = end - range.from + 1 > MOST ? range.from + MOST - 1 : range.to;
  return { from: range.from, to: to === undefined || to >= last ? undefined : to };
}

/** Of a list of equal rows: those near what is in view, from the first to behind the last. */
export function visible(
  count: number,
  rowPx: number,
  scrollPx: number,
  viewPx: number,
  extra = 6,
): [number, number] {
  const first = Math.floor(scrollPx / rowPx) - extra;
  const last = Math.ceil((scrollPx + viewPx) / rowPx) + extra;
  const start = Math.max(0, Math.min(first, count - 1));
  return [start, Math.max(start, Math.min(count, last))];
}
