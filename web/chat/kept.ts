// What the client lets go of a log while somebody reads it: the client holds the newest entries, and forgets the oldest
// everybody who looks at them.

import type { Entry } from '../sdk/frames';

/** With more entries than this, a conversation loses the oldest also under its reader. */
export const MOST_KEPT = 10_000;

/**
 * The entries from `from` on that were held before and are not now, up to the first of now. None where the log was
 * replaced: what is there now does not go on from what was.
 */
export function lost(
  before: readonly Entry[],
  now: readonly Entry[],
  from: number,
  most = MOST_KEPT,
): Entry[] {
  const [oldest, first] = [before[0], now[0]];
  if (!oldest || !first || first.seq <= oldest.seq) return [];
  const end = first.seq - oldest.seq;
  if (before[end] !== first) return [];
  const gone = before.slice(Math.max(0, from - oldest.seq), end);
  return now.length + gone.length > most ? [] : gone;
}
