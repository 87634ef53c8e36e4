// Where a list is scrolled to. Rows may come and go above and below: what is in view stays where it is, and a reader
// at the end stays at the end.

/** So near to the end is at the end. */
const NEAR_PX = 60;

export class Place {
  isAtEnd = true;
  private anchor: { seq: string; top: number } | undefined;
  private scrollTop = 0;

  constructor(private readonly list: HTMLElement) {}

  /** Looks where the list is now: after somebody scrolled it. */
  look(): void {
    const { list } = this;
    this.isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_PX;
    const row = this.firstInView();
    this.anchor = row && { seq: row.dataset.seq ?? '', top: row.offsetTop - list.scrollTop };
    this.scrollTop = list.scrollTop;
  }

  /** Puts the list where it was, after rows or sizes have changed. */
  keep(): void {
    const { list, anchor } = this;
    // Scrolled back since, and not told yet. What shrinks leaves the list at its bottom.
    if (this.isAtEnd && list.scrollTop < this.scrollTop && !isAtBottom(list)) this.look();
    else if (this.isAtEnd) {
      list.scrollTop = list.scrollHeight;
    } else if (anchor) {
      // Scrolled since, and not told yet: from there. At the very end it may be the browser that moved it.
      const by = isAtBottom(list) ? 0 : list.scrollTop - this.scrollTop;
      const row = this.row(anchor.seq) ?? this.nearest(Number(anchor.seq));
      if (row) {
        anchor.top -= by;
        list.scrollTop = row.offsetTop - anchor.top;
      }
    }
    this.scrollTop = list.scrollTop;
  }

  toEnd(): void {
    this.isAtEnd = true;
    this.keep();
  }

  /** Shows a row below the upper edge, with something of what is before it. */
  to(row: HTMLElement): void {
    this.list.scrollTop = row.offsetTop - this.list.clientHeight / 4;
    this.look();
  }

  row(seq: string | number): HTMLElement | null {
    return this.list.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
  }

  /** Of rows by ascending number: the last one before, or the first one behind. */
  private nearest(seq: number): HTMLElement | undefined {
    const rows = [...this.list.querySelectorAll<HTMLElement>('[data-seq]')];
    return rows.findLast((row) => Number(row.dataset.seq) < seq) ?? rows[0];
  }

  private firstInView(): HTMLElement | undefined {
    const rows = this.list.querySelectorAll<HTMLElement>('[data-seq]');
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const row = rows[middle];
      if (row && row.offsetTop + row.offsetHeight <= this.list.scrollTop) low = middle + 1;
      else high = middle;
    }
    return rows[low];
  }
}

function isAtBottom(list: HTMLElement): boolean {
  return list.scrollTop + list.clientHeight >= list.scrollHeight - 1;
}
