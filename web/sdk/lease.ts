// Which of the clients that share a storage are alive. What a dead one has left belongs to whoever takes it
// first. Web Locks say so exactly; where there are none, each client writes down from time to time that it lives.
// Must not know what is left behind.

import type { Store } from './types';

export interface Lease {
  /** Of this client. */
  readonly name: string;
  begin(): void;
  end(): void;
  /** Runs `take` alone, if that client is dead. */
  inherit(name: string, take: () => Promise<void>): Promise<void>;
}

/** `lives` is called where it is known from now on that this client is alive, at first and after others could have
 * taken it for dead. */
export function lease(
  prefix: string,
  store: Store,
  locks: LockManager | null | undefined,
  lives: () => void,
): Lease {
  const name = crypto.getRandomValues(new Uint32Array(3)).join('-');
  return locks ? new LockLease(name, prefix, locks, lives) : new WrittenLease(name, prefix, store, lives);
}

class LockLease implements Lease {
  #release: (() => void) | undefined;

  readonly #prefix: string;
  readonly #locks: LockManager;
  readonly #lives: () => void;

  constructor(
    readonly name: string,
    prefix: string,
    locks: LockManager,
    lives: () => void,
  ) {
    this.#prefix = prefix;
    this.#locks = locks;
    this.#lives = lives;
  }

  begin(): void {
    if (this.#release) return;
    const held = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    const hold = () => {
      this.#lives();
      return held;
    };
    this.#locks.request(this.#prefix + this.name, hold).catch(() => undefined);
  }

  end(): void {
    this.#release?.();
    this.#release = undefined;
  }

  async inherit(name: string, take: () => Promise<void>): Promise<void> {
    await this.#locks.request(this.#prefix + name, { ifAvailable: true }, async (lock) => {
      if (lock) await take();
    });
  }
}

const WRITE_EVERY_MS = 4_000;
/** Timers of tabs in the background come late: a client may be wrongly taken for dead. */
const DEAD_AFTER_MS = 20_000;
/** Two that want the same heritage see each other within this. */
const CLAIM_MS = 100;
const CLAIM_ENDS_MS = 5_000;

class WrittenLease implements Lease {
  #timer: ReturnType<typeof setInterval> | undefined;
  #writtenAt = 0;

  readonly #prefix: string;
  readonly #store: Store;
  readonly #lives: () => void;

  constructor(
    readonly name: string,
    prefix: string,
    store: Store,
    lives: () => void,
  ) {
    this.#prefix = prefix;
    this.#store = store;
    this.#lives = lives;
  }

  begin(): void {
    if (this.#timer) return;
    this.#write();
    this.#timer = setInterval(() => this.#write(), WRITE_EVERY_MS);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#writtenAt = 0;
    void attempt(() => this.#store.removeItem(this.#prefix + this.name));
  }

  async inherit(name: string, take: () => Promise<void>): Promise<void> {
    const alive = this.#prefix + name;
    if (Date.now() - Number(await this.#store.getItem(alive)) < DEAD_AFTER_MS) return;
    const claim = `${alive}/claim`;
    const [, claimedAt] = ((await this.#store.getItem(claim)) ?? '').split(' ');
    if (Date.now() - Number(claimedAt) < CLAIM_ENDS_MS) return;
    const mine = `${this.name} ${Date.now()}`;
    await this.#store.setItem(claim, mine);
    await new Promise((resolve) => setTimeout(resolve, CLAIM_MS));
    if ((await this.#store.getItem(claim)) !== mine) return;
    try {
      await take();
    } finally {
      await this.#store.removeItem(alive);
      await this.#store.removeItem(claim);
    }
  }

  #write(): void {
    const now = Date.now();
    void attempt(() => this.#store.setItem(this.#prefix + this.name, String(now)));
    const wasSilent = now - this.#writtenAt >= DEAD_AFTER_MS;
    this.#writtenAt = now;
    if (wasSilent) this.#lives();
  }
}

/** Storage may be full or forbidden, at once or later: then there is nothing to share. */
async function attempt(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch {
    // What is kept in memory is sent all the same.
  }
}
