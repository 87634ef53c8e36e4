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
  return locks ? locked(name, prefix, locks, lives) : written(name, prefix, store, lives);
}

function locked(name: string, prefix: string, locks: LockManager, lives: () => void): Lease {
  let release: (() => void) | undefined;
  return {
    name,
    begin() {
      if (release) return;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const hold = () => {
        lives();
        return held;
      };
      locks.request(prefix + name, hold).catch(() => undefined);
    },
    end() {
      release?.();
      release = undefined;
    },
    async inherit(from, take) {
      await locks.request(prefix + from, { ifAvailable: true }, async (lock) => {
        if (lock) await take();
      });
    },
  };
}

const WRITE_EVERY_MS = 4_000;
/** Timers of tabs in the background come late: a client may be wrongly taken for dead. */
const DEAD_AFTER_MS = 20_000;
/** Two that want the same heritage see each other within this. */
const CLAIM_MS = 100;
const CLAIM_ENDS_MS = 5_000;

function written(name: string, prefix: string, store: Store, lives: () => void): Lease {
  const own = prefix + name;
  let timer: ReturnType<typeof setInterval> | undefined;
  let writtenAt = 0;
  const write = () => {
    const now = Date.now();
    void attempt(() => store.setItem(own, String(now)));
    const wasSilent = now - writtenAt >= DEAD_AFTER_MS;
    writtenAt = now;
    if (wasSilent) lives();
  };
  return {
    name,
    begin() {
      if (timer) return;
      write();
      timer = setInterval(write, WRITE_EVERY_MS);
      (timer as { unref?: () => void }).unref?.();
    },
    end() {
      clearInterval(timer);
      timer = undefined;
      writtenAt = 0;
      void attempt(() => store.removeItem(own));
    },
    async inherit(from, take) {
      const alive = prefix + from;
      if (Date.now() - Number(await store.getItem(alive)) < DEAD_AFTER_MS) return;
      const claim = `${alive}/claim`;
      const [, claimedAt] = ((await store.getItem(claim)) ?? '').split(' ');
      if (Date.now() - Number(claimedAt) < CLAIM_ENDS_MS) return;
      const mine = `${name} ${Date.now()}`;
      await store.setItem(claim, mine);
      await new Promise((resolve) => setTimeout(resolve, CLAIM_MS));
      if ((await store.getItem(claim)) !== mine) return;
      try {
        await take();
      } finally {
        await store.removeItem(alive);
        await store.removeItem(claim);
      }
    },
  };
}

/** Storage may be full or forbidden, at once or later: then there is nothing to share. */
async function attempt(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch {
    // What is kept in memory is sent all the same.
  }
}
