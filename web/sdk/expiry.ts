// Entries that nobody may see any more from a moment on: then they are emptied where they are, so that a holder of
// one holds nothing. Loaded when the first one comes.

import type { Entry } from './frames';
import { blank } from './kinds';

/** Timers stand still while a computer sleeps: it is looked at least so often. */
const LOOK_MS = 60_000;

interface Due {
  at: number;
  /** What was let go of before its time needs no emptying. */
  entry: WeakRef<Entry>;
}

export class Expiry {
  /** By the time of their end. */
  readonly #due: Due[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  readonly #ended: (entries: readonly Entry[]) => void;

  constructor(ended: (entries: readonly Entry[]) => void) {
    this.#ended = ended;
  }

  add(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const at = entry.expires_at;
      if (at !== undefined) this.#due.splice(this.#placeOf(at), 0, { at, entry: new WeakRef(entry) });
    }
    this.#look();
  }

  /** Behind all that end no later. */
  #placeOf(at: number): number {
    let [low, high] = [0, this.#due.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#due[middle]?.at ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #look(): void {
    clearTimeout(this.#timer);
    const now = Date.now();
    const over = this.#due.splice(0, this.#placeOf(now));
    const ended = over.flatMap(({ entry }) => entry.deref() ?? []);
    for (const entry of ended) blank(entry);
    const [next] = this.#due;
    if (next) {
      this.#timer = setTimeout(() => this.#look(), Math.min(LOOK_MS, next.at - now));
      // No program goes on for it.
      (this.#timer as { unref?: () => void }).unref?.();
    }
    if (ended.length > 0) this.#ended(ended);
  }
}
