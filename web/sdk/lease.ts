// Which of the clients that share a storage are alive. What a dead one has left belongs to the client that takes it
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

/** Few need it: it is loaded when it is needed. */
function written(name: string, prefix: string, store: Store, lives: () => void): Lease {
  const loaded = import('./without_locks').then(({ written }) => written(name, prefix, store, lives));
  const act = (what: (lease: Lease) => void) => void loaded.then(what, () => undefined);
  return {
    name,
    begin: () => act((lease) => lease.begin()),
    end: () => act((lease) => lease.end()),
    inherit: (from, take) => loaded.then((lease) => lease.inherit(from, take)),
  };
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
