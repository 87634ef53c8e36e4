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

export function lease(prefix: string, store: Store, locks: LockManager | null | undefined): Lease {
  const name = crypto.getRandomValues(new Uint32Array(3)).join('-');
  return locks ? new LockLease(name, prefix, locks) : new WrittenLease(name, prefix, store);
}

class LockLease implements Lease {
  #release: (() => void) | undefined;

  readonly #prefix: string;
  readonly #locks: LockManager;

  constructor(
    readonly name: string,
    prefix: string,
    locks: LockManager,
  ) {
    this.#prefix = prefix;
    this.#locks = locks;
  }

  begin(): void {
    if (this.#release) return;
    const held = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    this.#locks.request(this.#prefix + this.name, () => held).catch(() => undefined);
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
/** Timers of tabs in the background come late. A client that is wrongly taken for dead loses nothing: it looks
 * whose an operation is before it sends it. */
const DEAD_AFTER_MS = 20_000;
/** Two that want the same heritage see each other within this. */
const CLAIM_MS = 100;
const CLAIM_ENDS_MS = 5_000;

class WrittenLease implements Lease {
  #timer: ReturnType<typeof setInterval> | undefined;

  readonly #prefix: string;
  readonly #store: Store;

  constructor(
    readonly name: string,
    prefix: string,
    store: Store,
  ) {
    this.#prefix = prefix;
    this.#store = store;
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
    void attempt(() => this.#store.setItem(this.#prefix + this.name, String(Date.now())));
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
