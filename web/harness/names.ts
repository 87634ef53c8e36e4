// Client ids that carry their meaning, as those of the fleet do (workbench/wire-client/src/identity.rs): from the id alone it is
// known which client wrote a message, and as which one. So a tab recognises what another tab has left behind.

/** Of one run: what other programs wrote is told apart by it. */
export type Nonce = number;

export interface Author {
  dev: number;
  n: number;
}

const DEV_BITS = 22n;
const NUMBER_BITS = 28n;
const NONCE_LOW_BITS = 12n;

export function newNonce(): Nonce {
  return Math.floor(Math.random() * 2 ** 24);
}

/** A UUIDv7. */
export function clientId(nonce: Nonce, { dev, n }: Author, unixMs = Date.now()): string {
  const high = (BigInt(unixMs) << 16n) | 0x7000n | BigInt(nonce >> 12);
  const low =
    (0b10n << 62n) |
    (BigInt(dev) << (NUMBER_BITS + NONCE_LOW_BITS)) |
    (BigInt(n) << NONCE_LOW_BITS) |
    BigInt(nonce & 0xfff);
  const hex = high.toString(16).padStart(16, '0') + low.toString(16).padStart(16, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Nothing when it is not of this run. */
export function authorOf(nonce: Nonce, id: string): Author | undefined {
  const hex = id.replaceAll('-', '');
  if (hex.length !== 32) return undefined;
  const high = BigInt(`0x${hex.slice(0, 16)}`);
  const low = BigInt(`0x${hex.slice(16)}`);
  const found = Number(((high & 0xfffn) << 12n) | (low & 0xfffn));
  if (found !== nonce || (high & 0xf000n) !== 0x7000n) return undefined;
  return {
    dev: Number(BigInt.asUintN(Number(DEV_BITS), low >> (NUMBER_BITS + NONCE_LOW_BITS))),
    n: Number(BigInt.asUintN(Number(NUMBER_BITS), low >> NONCE_LOW_BITS)),
  };
}
