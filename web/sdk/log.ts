// What this device holds of one conversation's log: without gaps from its first entry on.

import type { Entry, SyncPage } from './frames';
import { blank, isBlank } from './kinds';

/** A place in a log, and the id of the entry there, where it is known. */
export interface Place {
  seq: number;
  id?: string;
}

export class Log {
  /** By ascending seq, without gaps. */
  entries: Entry[] = [];
  /** A sync has left out what is before this entry: it can be read over REST. */
  skippedBefore: number | undefined;
  /** The last entry up to which there is no gap, and 0 when nothing is known: a sync goes on from there. */
  place: Place;
  /** The server has another entry at this place: it was put back to a moment before. Nothing joins until it says `reset`. */
  #isOther = false;
  /** Live entries that arrived before what lies between. */
  readonly #held = new Map<number, Entry>();

  /** Before the first page that came as long as nothing was known. */
  #start = Infinity;

  #limit: number;

  /** At most `limit` entries are held; the oldest go first. `place`: up to there this device had everything. */
  constructor(limit = 2_000, place: Place = { seq: 0 }) {
    this.#limit = limit;
    this.place = place;
  }

  /** Highest seq known without a gap; 0 when nothing is known. */
  get cursor(): number {
    return this.place.seq;
  }

  /** True when something before a live entry is missing, or the server has other entries. */
  get hasGap(): boolean {
    return this.#isOther || this.#held.size > 0;
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
      this.place = { seq: 0 };
      this.#isOther = false;
    }
    const first = page.entries[0]?.seq ?? this.cursor + 1;
    if (this.cursor === 0 && first > 1) this.#start = Math.min(this.#start, first - 1);
    const isNew = page.reset || (page.skipped_before !== undefined && first > this.cursor + 1);
    if (isNew) {
      this.entries = [];
      this.place = { seq: first - 1 };
      this.skippedBefore = undefined;
    }
    if (page.skipped_before !== undefined && this.entries.length === 0)
      this.skippedBefore = page.skipped_before;
    return { taken: this.#append(page.entries), isReset: isNew && held > 0 };
  }

  /** A sync has ended: a log of which nothing was known begins with the first page that has come. */
  begin(): Entry[] {
    if (this.cursor === 0 && this.#start < Infinity) this.place = { seq: this.#start };
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

  /** What is held there. */
  at(seq: number | undefined): Entry | undefined {
    return this.entries[(seq ?? 0) - (this.entries[0]?.seq ?? 0)];
  }

  /** Takes the content from messages and from their edits. Answers those that had some. */
  blank(seqs: readonly number[]): Entry[] {
    const gone = this.entries.filter(
      (entry) => seqs.includes(entry.kind === 'edit' ? (entry.target ?? 0) : entry.seq) && !isBlank(entry),
    );
    for (const entry of gone) blank(entry);
    return gone;
  }

  /** Keeps the newest entries alone. */
  trim(count: number): void {
    if (this.entries.length > count) this.entries = this.entries.slice(this.entries.length - count);
  }

  #append(entries: Entry[]): Entry[] {
    const taken: Entry[] = [];
    for (const entry of entries) {
      const held = this.entries.at(entry.seq - this.cursor - 1) ?? this.place;
      if (held.seq === entry.seq && held.id && held.id !== entry.id) {
        this.place = held;
        this.#isOther = true;
      }
      if (this.#isOther) break;
      // What finds no place comes by sync.
      const hasPlace = entry.seq === this.cursor + 1 || this.#held.size < this.#limit;
      if (entry.seq > this.cursor && hasPlace) this.#held.set(entry.seq, entry);
      let next = this.#held.get(this.cursor + 1);
      while (next) {
        taken.push(next);
        this.place = next;
        this.#held.delete(this.cursor);
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
