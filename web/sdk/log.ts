// What this device holds of one conversation's log: without gaps from its first entry on.

import type { Entry, SyncPage } from './frames';

export class Log {
  /** By ascending seq, without gaps. */
  entries: Entry[] = [];
  /** A sync has left out what is before this entry: it can be read over REST. */
  skippedBefore: number | undefined;
  /** Highest seq known without a gap; 0 when nothing is known. */
  cursor: number;
  /** Live entries that arrived before what lies between. */
  readonly #held = new Map<number, Entry>();

  /** Before the first page that came as long as nothing was known. */
  #start = Infinity;

  /** At most `limit` entries are held; the oldest go first. `cursor`: up to there this device had everything. */
  #limit: number;

  constructor(limit = 2_000, cursor = 0) {
    this.#limit = limit;
    this.cursor = cursor;
  }

  /** True when something before a live entry is missing. */
  get hasGap(): boolean {
    return this.#held.size > 0;
  }

  /** Takes a live entry. Answers the entries that are new now; with a gap before it, it is held and none is. */
  add(entry: Entry): Entry[] {
    return this.#append([entry]);
  }

  /**
   * Takes a page of a sync. One that says so takes the place of what is held: then `isReset` is true, if anything
   * was. Any other that does not join it may be what the server repeats unasked: it waits as live entries do.
   */
  addPage(page: Pick<SyncPage, 'entries' | 'reset' | 'skipped_before'>): {
    taken: Entry[];
    isReset: boolean;
  } {
    const held = this.cursor;
    if (page.reset) {
      this.#held.clear();
      this.cursor = 0;
    }
    const first = page.entries[0]?.seq ?? this.cursor + 1;
    if (this.cursor === 0 && first > 1) this.#start = Math.min(this.#start, first - 1);
    const isNew = page.reset || (page.skipped_before !== undefined && first > this.cursor + 1);
    if (isNew) {
      this.entries = [];
      this.cursor = first - 1;
      this.skippedBefore = undefined;
    }
    if (page.skipped_before !== undefined && this.entries.length === 0) {
      this.skippedBefore = page.skipped_before;
      this.cursor = Math.max(this.cursor, first - 1);
    }
    return { taken: this.#append(page.entries), isReset: isNew && held > 0 };
  }

  /** A sync has ended: a log of which nothing was known begins with the first page that has come. */
  begin(): Entry[] {
    if (this.cursor === 0 && this.#start < Infinity) this.cursor = this.#start;
    return this.#append([...this.#held.values()]);
  }

  /** Puts an older page before what is held, which makes room for it. */
  addOlder(page: Entry[]): void {
    const first = this.entries[0]?.seq ?? this.cursor + 1;
    const older = page.filter((entry) => entry.seq < first);
    if (older.at(-1)?.seq !== first - 1) return;
    this.#limit += older.length;
    this.entries = [...older, ...this.entries];
  }

  /** Keeps the newest entries alone. */
  trim(count: number): void {
    if (this.entries.length > count) this.entries = this.entries.slice(this.entries.length - count);
  }

  #append(entries: Entry[]): Entry[] {
    const taken: Entry[] = [];
    for (const entry of entries) {
      // What finds no place comes by sync.
      const hasPlace = entry.seq === this.cursor + 1 || this.#held.size < this.#limit;
      if (entry.seq > this.cursor && hasPlace) this.#held.set(entry.seq, entry);
      let next = this.#held.get(this.cursor + 1);
      while (next) {
        taken.push(next);
        this.#held.delete(++this.cursor);
        next = this.#held.get(this.cursor + 1);
      }
    }
    for (const seq of this.#held.keys()) if (seq <= this.cursor) this.#held.delete(seq);
    this.entries.push(...taken);
    // A tenth more, so that not every entry moves all the others.
    if (this.entries.length > this.#limit * 1.1) this.trim(this.#limit);
    return taken;
  }
}
