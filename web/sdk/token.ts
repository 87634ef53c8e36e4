// The token in use: who it says that this is, when it ends, and how another one is got.

import type { Options } from './types';

export interface Claims {
  sub?: string;
  exp?: number;
  name?: string;
  roles?: string[];
}

/** Another token is asked for so long before this one ends. */
const RENEW_BEFORE_MS = 60_000;

/** What a token says of itself; nothing where it cannot be read. The server verifies it, not we. */
export function claims(token: string | undefined): Claims {
  try {
    const part = (token?.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}

export class Tokens {
  #current: string | undefined;
  /** The last one that the server did not take. */
  #refused: string | undefined;
  #asking: Promise<string | undefined> | undefined;

  readonly #options: Pick<Options, 'token' | 'getToken'>;

  constructor(options: Pick<Options, 'token' | 'getToken'>) {
    this.#options = options;
    this.#current = options.token;
  }

  get value(): string | undefined {
    return this.#current;
  }

  get canRenew(): boolean {
    return this.#options.getToken !== undefined;
  }

  set(token: string): void {
    this.#current = token;
    this.#refused = undefined;
  }

  refuse(token: string | undefined): void {
    this.#refused = token;
  }

  /** A token to use now, at once where there is one. Nothing: there is none, or only a refused one. */
  take(): string | undefined | Promise<string | undefined> {
    const isUsable = this.#current !== undefined && this.#current !== this.#refused;
    if (!this.canRenew) return isUsable ? this.#current : undefined;
    if (isUsable && this.leftMs() > 0) return this.#current;
    return this.renew();
  }

  /** A request was refused with this one: another one, where there is one. */
  async renewFor(refused: string): Promise<string | undefined> {
    // Another request has got one meanwhile.
    if (this.#current !== refused) return this.#current;
    if (!this.canRenew) return undefined;
    this.#refused = refused;
    return this.renew();
  }

  /** Another one, asked for once however many want it. */
  renew(): Promise<string | undefined> {
    this.#asking ??= Promise.resolve()
      .then(() => this.#options.getToken?.())
      .then((token) => {
        if (token === undefined || token === this.#refused) return undefined;
        this.#current = token;
        return token;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  /** How long until another one is to be asked for; a tenth of the time left where that is short. */
  leftMs(now = Date.now()): number {
    const { exp } = claims(this.#current);
    if (exp === undefined) return Number.POSITIVE_INFINITY;
    const left = exp * 1_000 - now;
    return left - Math.min(RENEW_BEFORE_MS, left / 10);
  }
}
