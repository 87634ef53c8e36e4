// The id of a direct conversation, which a client computes as the server does.

import { uuid } from './ids';

/**
 * The direct conversation of two users, as the server computes it (proto/src/id.rs): what is written to a user
 * and what is written to this conversation belong into one queue.
 */
export function directId(one: string, other: string): string {
  const [low, high] = one <= other ? [one, other] : [other, one];
  const text = `direct\0default\0${low}\0${high}\0`;
  return uuid(sha256(new TextEncoder().encode(text)).slice(0, 16), 0x80);
}

/** FIPS 180-4. The one of Web Crypto answers later, and is missing where a page came over plain HTTP. */
export function sha256(text: Uint8Array): Uint8Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (root: number) => (root % 1) * 2 ** 32;
  const rounds = primes.map((prime) => fraction(Math.cbrt(prime)) >>> 0);
  let state = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)) >>> 0);
  const padded = new Uint8Array((((text.length + 8) >> 6) + 1) << 6);
  padded.set(text);
  padded[text.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, text.length * 8);
  const turn = (x: number, by: number) => (x >>> by) | (x << (32 - by));
  const words = new Int32Array(64);
  const w = (i: number) => words[i] as number;
  for (let block = 0; block < padded.length; block += 64) {
    let [a, b, c, d, e, f, g, h] = state as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    for (let i = 0; i < 64; i++) {
      words[i] =
        i < 16
          ? view.getUint32(block + i * 4)
          : (turn(w(i - 2), 17) ^ turn(w(i - 2), 19) ^ (w(i - 2) >>> 10)) +
            w(i - 7) +
            (turn(w(i - 15), 7) ^ turn(w(i - 15), 18) ^ (w(i - 15) >>> 3)) +
            w(i - 16);
      const one =
        h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + (rounds[i] as number) + w(i);
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    state = [a, b, c, d, e, f, g, h].map((word, i) => (word + (state[i] as number)) | 0);
  }
  for (const [i, word] of state.entries()) view.setInt32(i * 4, word);
  return padded.slice(0, 32);
}
