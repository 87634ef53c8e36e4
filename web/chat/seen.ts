// Which messages somebody has had before their eyes: in view, in a visible document of the window in front.

/** Of a message so much has to be in view, or of the view so much has to be that message. */
const PART = 0.5;
const THRESHOLDS = [0, 0.25, PART, 0.75, 1];

export function isWatching(): boolean {
  return document.visibilityState === 'visible' && document.hasFocus();
}

/** Tells the lowest and the highest sequence number that are in view, at each change. */
export class Seen {
  private readonly inView = new Set<number>();
  private readonly observer: IntersectionObserver;
  private readonly rows = new Set<Element>();

  constructor(
    list: HTMLElement,
    private readonly tell: (from: number, to: number) => void,
  ) {
    this.observer = new IntersectionObserver((changes) => this.changed(changes), {
      root: list,
      threshold: THRESHOLDS,
    });
    addEventListener('focus', this.look);
    document.addEventListener('visibilitychange', this.look);
  }

  /** Watches the rows that are in the list now. */
  watch(rows: Iterable<Element>): void {
    const now = new Set(rows);
    for (const row of this.rows) {
      if (now.has(row)) continue;
      this.observer.unobserve(row);
      this.rows.delete(row);
      this.inView.delete(seqOf(row));
    }
    for (const row of now) {
      if (this.rows.has(row)) continue;
      this.rows.add(row);
      this.observer.observe(row);
    }
  }

  end(): void {
    this.observer.disconnect();
    removeEventListener('focus', this.look);
    document.removeEventListener('visibilitychange', this.look);
  }

  /** Tells what is in view now. */
  readonly look = () => {
    if (this.inView.size > 0 && isWatching()) this.tell(Math.min(...this.inView), Math.max(...this.inView));
  };

  private changed(changes: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting, intersectionRatio, intersectionRect, rootBounds } of changes) {
      const fills = rootBounds !== null && intersectionRect.height >= rootBounds.height * PART;
      if (isIntersecting && (intersectionRatio >= PART || fills)) this.inView.add(seqOf(target));
      else this.inView.delete(seqOf(target));
    }
    this.look();
  }
}

function seqOf(row: Element): number {
  return Number((row as HTMLElement).dataset.seq);
}
