// Which user somebody is who signs in with nothing but a name, as development sign-in allows.

/** What the server takes as a user id. */
const ID = /^[A-Za-z0-9._@:+-]{1,64}$/;
/** How the ids end that are made here: no name is taken as it is that looks like one. */
const MADE = /\+[0-9a-z]{22}$/;

export function isUserId(text: string): boolean {
  return ID.test(text);
}

/**
 * The same id for the same name, whatever its case and spacing, and another one for every other name. A name that can
 * be an id is one; of any other the letters that an id may have stay readable, and a hash stands for the whole.
 */
export function userIdOf(name: string): string {
  const same = name.normalize('NFC').trim().replaceAll(/\s+/g, ' ').toLowerCase();
  if (ID.test(same) && !MADE.test(same)) return same;
  const slug = same
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return `${slug.slice(0, 40) || 'user'}+${hash(same, 1)}${hash(same, 2)}`;
}

/** 53 bits as eleven characters (cyrb53). There is no `crypto.subtle` where the page is not served with https. */
function hash(text: string, seed: number): string {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ seed;
  for (const byte of new TextEncoder().encode(text)) {
    a = Math.imul(a ^ byte, 2654435761);
    b = Math.imul(b ^ byte, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  const bits = 4294967296 * (2097151 & b) + (a >>> 0);
  return bits.toString(36).padStart(11, '0');
}
