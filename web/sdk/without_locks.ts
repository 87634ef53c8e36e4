// What tabs do instead where there are no Web Locks: each writes down from time to time that it lives, and they ask each
// other for their device ids.

import type { Lease } from './lease';
import type { Store } from './types';

const WRITE_EVERY_MS = 4_000;
/** Timers of tabs in the background come late: a client may be wrongly taken for dead. */
const DEAD_AFTER_MS = 20_000;
/** Two that want the same heritage see each other within this. */
const CLAIM_MS = 100;
const CLAIM_ENDS_MS = 5_000;

export function written(name: string, prefix: string, store: Store, lives: () => void): Lease {
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

/** Where tabs hear each other. */
export type Channel = Pick<BroadcastChannel, 'postMessage' | 'addEventListener'>;

/** Asks whether another tab has it, and answers those that ask from now on. */
export function isUnclaimed(channel: Channel, patienceMs: number): Promise<boolean> {
  let isTaken = false;
  return new Promise((resolve) => {
    channel.addEventListener('message', ({ data }) => {
      if (data === 'whose' && !isTaken) channel.postMessage('taken');
      if (data !== 'taken') return;
      isTaken = true;
      resolve(false);
    });
    channel.postMessage('whose');
    setTimeout(() => resolve(true), patienceMs);
  });
}
