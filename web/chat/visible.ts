// Which rows of a list of equal rows are in the document.

/** Those near what is in view, from the first to behind the last. */
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
