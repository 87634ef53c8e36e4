// One number for how far all conversations have come, as the server computes it (proto/src/heads.rs):
// the sum of a 32-bit hash of (id, head). Another number than ours means that something is missing here.

/** Conversation id to the highest seq held without a gap. */
export function digest(heads: Iterable<[string, number]>): number {
  let sum = 0;
  for (const [id, head] of heads) if (head > 0) sum = (sum + part(id, head)) >>> 0;
  return sum;
}

function part(id: string, head: number): number {
  const hex = id.replaceAll('-', '') + head.toString(16).padStart(16, '0');
  let hash = 0x811c9dc5;
  for (let at = 0; at < hex.length; at += 2) {
    hash = Math.imul(hash ^ Number.parseInt(hex.slice(at, at + 2), 16), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
