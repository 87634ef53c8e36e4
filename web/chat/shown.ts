// The entries of a log that are shown. They are found once and followed as the log goes on, so that an entry costs the
// same whatever is held.

import type { Entry } from '../sdk/frames';
import { isBlank, isInMain, isMessage } from '../sdk/kinds';

/** The place of the first of these that is not before `seq`. */
export function placeOf(list: readonly Pick<Entry, 'seq'>[], seq: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.seq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Shown {
  /** By ascending seq. The same list as long as the log goes on. */
  list: Entry[] = [];
  /** What was looked at last. */
  private first = 0;
  private last: Entry | undefined;
  private version: unknown;

  /** Whose content is gone because somebody deleted it: that is said in its place. */
  constructor(private readonly isDeleted: (seq: number) => boolean = () => false) {}

  /** `entries` are what is held now, without gaps; `version` is another one after some of them have become blank, or it is
   * known that they were deleted. */
  follow(entries: readonly Entry[], version?: unknown): readonly Entry[] {
    const first = entries[0]?.seq ?? 0;
    const { last } = this;
    const at = last ? last.seq - first : -1;
    if (last && entries[at]?.id === last.id && version === this.version) {
      const isLonger = first < this.first;
      if (isLonger) this.list = [...entries.slice(0, this.first - first).filter(this.isShown), ...this.list];
      else this.list.splice(0, placeOf(this.list, first));
      for (let next = at + 1; next < entries.length; next++) {
        const entry = entries[next];
        if (entry && this.isShown(entry)) this.list.push(entry);
      }
    } else this.list = entries.filter(this.isShown);
    this.version = version;
    this.first = first;
    this.last = entries.at(-1);
    return this.list;
  }

  readonly isShown = (entry: Entry) => {
    if (isMessage(entry)) return isInMain(entry) && (!isBlank(entry) || this.isDeleted(entry.seq));
    return (entry.kind === 'pin' || entry.kind === 'system') && !isBlank(entry);
  };
}
