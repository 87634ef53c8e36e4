// What this device holds of one conversation's log: whole from its first entry on, or it says so.

import type { Entry } from './frames';

export class Log {
  /** By ascending seq, without gaps. */
  entries: Entry[] = [];
  /** Live entries that arrived before what lies between. */
  private held = new Map<number, Entry>();

  /** Highest seq held without a gap; 0 when nothing is held. */
  get cursor(): number {
    return this.entries.at(-1)?.seq ?? 0;
  }

  /** True when the last thing that happened was that this user left or was removed. */
  hasLeft(userId: string): boolean {
    const last = this.entries.at(-1);
    if (last?.kind !== 'system' || last.content?.member !== userId) return false;
    return last.content.event === 'member_left' || last.content.event === 'member_removed';
  }

  /** Adds a live entry. False when something before it is missing: a sync is needed. */
  add(entry: Entry): boolean {
    if (entry.seq <= this.cursor) return true;
    if (entry.seq === this.cursor + 1) {
      this.entries.push(entry);
      this.drain();
      return true;
    }
    this.held.set(entry.seq, entry);
    return false;
  }

  /** Merges a page of a sync. A page that does not join what is held takes its place. */
  addPage(page: Entry[], reset: boolean): void {
    const first = page[0];
    if (reset) {
      this.entries = [];
      this.held.clear();
    } else if (first && first.seq > this.cursor + 1) {
      this.entries = [];
    }
    for (const entry of page) {
      if (this.entries.length === 0 || entry.seq === this.cursor + 1) this.entries.push(entry);
    }
    this.drain();
  }

  /** Puts an older page before what is held. */
  addOlder(page: Entry[]): void {
    const first = this.entries[0]?.seq ?? Number.POSITIVE_INFINITY;
    this.entries = [...page.filter((entry) => entry.seq < first), ...this.entries];
  }

  private drain(): void {
    for (let next = this.held.get(this.cursor + 1); next; next = this.held.get(this.cursor + 1)) {
      this.entries.push(next);
    }
    for (const seq of this.held.keys()) if (seq <= this.cursor) this.held.delete(seq);
  }
}
