// The device id of a tab: kept over reloads, and another one where a tab was duplicated together with its session
// storage. Two tabs with one device id would replace each other without end.

import { uuidv7 } from './ids';
import type { Channel } from './without_locks';

const KEY = 'tidings.device';
/** A tab that is being left may hold its id for so long. */
const PATIENCE_MS = 300;

type Place = Pick<Storage, 'getItem' | 'setItem'>;

export interface DeviceOptions {
  storage?: Place;
  locks?: LockManager | null;
  /** Where there are no locks, tabs ask each other here. */
  channel?: (name: string) => Channel;
}

/** An id for this tab, which no other living tab has. */
export async function tabDeviceId(options: DeviceOptions = {}): Promise<string> {
  const { locks = globalThis.navigator?.locks, storage = globalThis.sessionStorage } = options;
  let id = attempt(() => storage.getItem(KEY));
  // Also a new one is used only once it is held: a copy of this tab would find it free.
  while (!id || !(await isFree(id, locks, options.channel))) {
    const fresh = uuidv7();
    attempt(() => storage.setItem(KEY, fresh));
    id = fresh;
  }
  return id;
}

/** The tab is another device from now on: tokens of this one may have been ended. */
export function leaveDeviceId(storage?: Pick<Storage, 'removeItem'>): void {
  attempt(() => (storage ?? globalThis.sessionStorage).removeItem(KEY));
}

/** Takes the id for as long as this tab lives, if no other has it. */
function isFree(
  id: string,
  locks: LockManager | null | undefined,
  channel: DeviceOptions['channel'] = (name) => new BroadcastChannel(name),
): Promise<boolean> {
  const name = `${KEY}/${id}`;
  // Few need it: it is loaded when it is needed.
  if (!locks)
    return import('./without_locks').then(({ isUnclaimed }) => isUnclaimed(channel(name), PATIENCE_MS));
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return new Promise((resolve) => {
    locks
      .request(name, { signal }, () => {
        resolve(true);
        // Held until the tab is gone.
        return new Promise<never>(() => {});
      })
      // Where locks are forbidden, nobody else has one either.
      .catch(() => resolve(!signal.aborted));
  });
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
