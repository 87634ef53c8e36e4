// One number for how far all conversations have come, as the server computes it (proto/src/heads.rs): the sum of a
// 32-bit hash of (id, head, id of the entry there). Another number than ours means that something is missing here, or
// that the server has another log. (`heads`, without the entries, is for clients that do not keep their ids.)

import type { Place } from './log';

/** Of each conversation its id, and the last entry that is held without a gap. */
export function digest(heads: Iterable<[string, Place]>): number {
  let sum = 0;
  for (const [id, { seq, id: entryId = '' }] of heads)
    if (seq > 0) sum = (sum + hash(id + seq.toString(16).padStart(16, '0') + entryId)) >>> 0;
  return sum;
}

function hash(ids: string): number {
  const hex = ids.replaceAll('-', '');
  let hash = 0x811c9dc5;
  for (let at = 0; at < hex.length; at += 2) {
    hash = Math.imul(hash ^ Number.parseInt(hex.slice(at, at + 2), 16), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
